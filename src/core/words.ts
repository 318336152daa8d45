/** Bytes in which numbers of `width` bytes can be seen: themselves where they lie on a boundary of it, else a copy. */
export function aligned<Memory extends ArrayBufferLike>(bytes: Uint8Array<Memory>, width: number): Uint8Array<Memory | ArrayBuffer> {
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice()
}

/** Bytes as words of 32 bits, in place or, off their boundary, in a copy; `byteLength` is a multiple of four. */
export function wordsIn(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 4)
  return new Uint32Array(buffer, byteOffset, byteLength / 4)
}

/** As `wordsIn`: bits are moved faster in words with a sign, which the engine need not keep as floats. */
export function signedWordsIn<Memory extends ArrayBufferLike>(bytes: Uint8Array<Memory>): Int32Array<Memory | ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 4)
  return new Int32Array(buffer, byteOffset, byteLength / 4)
}

/** As `wordsIn`, in words of 16 bits. */
export function shortWordsIn(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 2)
  return new Uint16Array(buffer, byteOffset, byteLength / 2)
}
