/** Codes of 8 bits around 128 as bytes in two's complement, and the other way round. Four at a time. */
export function flipSigns(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const flipped = bytes.slice()
  const words = new Int32Array(flipped.buffer, 0, Math.floor(flipped.length / 4))
  for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) ^ 0x80808080
  for (let i = 4 * words.length; i < flipped.length; i++) flipped[i] = (flipped[i] ?? 0) ^ 0x80
  return flipped
}
