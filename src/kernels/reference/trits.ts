/** Writes codes 0, 1 and 2 five to a byte, the first one least significant in base 3. */
export function packTrits(codes: Uint8Array, target: Uint8Array): void {
  for (let at = 0; at < Math.ceil(codes.length / 5); at++) {
    let byte = 0
    for (let i = 4; i >= 0; i--) byte = 3 * byte + (codes[5 * at + i] ?? 0)
    target[at] = byte
  }
}

/** Reads what `packTrits` wrote. */
export function unpackTrits(source: Uint8Array, codes: Uint8Array): void {
  for (let i = 0; i < codes.length; i++) {
    const byte = source[Math.floor(i / 5)] ?? 0
    codes[i] = Math.floor(byte / 3 ** (i % 5)) % 3
  }
}
