/** Writes `codes` of `bits` bits each, least significant bit first, from the first bit of `target` on. */
export function packCodes(codes: Uint8Array, bits: number, target: Uint8Array): void {
  let held = 0
  let heldBits = 0
  let at = 0
  for (const code of codes) {
    held |= code << heldBits
    heldBits += bits
    while (heldBits >= 8) {
      target[at++] = held & 255
      held >>>= 8
      heldBits -= 8
    }
  }
  if (heldBits > 0) target[at] = held
}

/** Reads what `packCodes` wrote. */
export function unpackCodes(source: Uint8Array, bits: number, codes: Uint8Array): void {
  const mask = (1 << bits) - 1
  for (let i = 0; i < codes.length; i++) {
    const bit = i * bits
    const byte = bit >>> 3
    const pair = (source[byte] ?? 0) | ((source[byte + 1] ?? 0) << 8)
    codes[i] = (pair >>> (bit & 7)) & mask
  }
}
