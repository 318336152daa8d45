const block = 512
/** Longest name in a header; longer ones stand in an entry of their own before it. */
const nameBytes = 100
/** Sizes from here on do not fit eleven octal digits and are written in base 256, as GNU tar does. */
const firstLargeSize = 8 ** 11

export interface TarEntry {
  /** With `/` between folders. */
  readonly path: string
  readonly file: Blob
}

/**
 * Files as one archive (POSIX ustar, GNU's long names and sizes; read by tar, macOS and Windows 10 and later). The files are parts of the
 * result by reference: nothing is read, whatever their size. Times are 0, so that the same files give the same archive.
 */
export function tarOf(entries: readonly TarEntry[]): Blob {
  const parts: BlobPart[] = []
  for (const { path, file } of entries) {
    const name = new TextEncoder().encode(path)
    if (name.length > nameBytes) {
      const long = Uint8Array.of(...name, 0)
      parts.push(tarHeader(new TextEncoder().encode('././@LongLink'), long.length, 'L'), long, padding(long.length))
    }
    parts.push(tarHeader(name.subarray(0, nameBytes), file.size, '0'), file, padding(file.size))
  }
  parts.push(new Uint8Array(2 * block))
  return new Blob(parts, { type: 'application/x-tar' })
}

function padding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((block - (size % block)) % block)
}

/** One header; `type` is `0` for a file. */
export function tarHeader(name: Uint8Array, size: number, type: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(block)
  const text = (at: number, value: string): void => bytes.set(new TextEncoder().encode(value), at)
  const octal = (at: number, digits: number, value: number): void => text(at, value.toString(8).padStart(digits, '0'))
  bytes.set(name)
  octal(100, 7, 0o644)
  octal(108, 7, 0)
  octal(116, 7, 0)
  if (size < firstLargeSize) octal(124, 11, size)
  else {
    bytes[124] = 0x80
    new DataView(bytes.buffer).setBigUint64(128, BigInt(size))
  }
  octal(136, 11, 0)
  text(156, type)
  text(257, 'ustar')
  text(263, '00')
  // The checksum is taken with its own field full of spaces.
  text(148, ' '.repeat(8))
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  text(148, `${sum.toString(8).padStart(6, '0')}\0 `)
  return bytes
}
