// Codes 0, 1 and 2, five to a byte: the first one least significant in base 3.

/** Packs count codes; what lies after the last one in its byte is 0. */
export function packTrits(codes: usize, count: i32, target: usize): void {
  store<u32>(codes + count, 0)
  let to = target
  for (const end = codes + count; codes < end; codes += 5) {
    const high = 3 * <u32>load<u8>(codes, 4) + load<u8>(codes, 3)
    store<u8>(to++, 3 * (3 * (3 * high + load<u8>(codes, 2)) + load<u8>(codes, 1)) + load<u8>(codes))
  }
}

/** The inverse; writes up to 4 codes past the last. */
export function unpackTrits(source: usize, count: i32, codes: usize): void {
  for (const end = codes + count; codes < end; codes += 5) {
    let byte: u32 = load<u8>(source++)
    for (let i: usize = 0; i < 5; i++) {
      const rest = byte / 3
      store<u8>(codes + i, byte - 3 * rest)
      byte = rest
    }
  }
}
