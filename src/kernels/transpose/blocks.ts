/** Rows of a matrix in packed codes, one behind the other. */
export interface PackedRows {
  readonly bytes: Uint8Array
  readonly rowBytes: number
}

/** Rows [rowStart, rowStart + count), of each the bytes [start, end), and where they are staged: `stride` bytes apart. */
export interface Block {
  readonly rowStart: number
  readonly count: number
  readonly start: number
  readonly end: number
  readonly stride: number
}

/** Bytes of a stage: what is staged stays in the cache. */
export const stageBytes = 512 * 2 ** 10
/** The module takes so many rows at a time, and whole pairs of vectors of each: there is room for all of them. */
const rowStep = 32
const vectorBytes = 32
/** More would leave the cache while they are read column by column. */
const mostRows = 512
/** Rows as long as this are staged in pieces, apart: at multiples of a power of two the cache has few places for them. */
const longRow = 2048
const gap = 64
/** Of long rows: as many nibbles fill a line of the cache. */
const longRows = 128

/** Blocks that cover rows and fit in a stage. Bytes of a row are cut at multiples of 64. */
export function* blocksOf({ bytes, rowBytes }: PackedRows): Generator<Block> {
  const rows = bytes.length / rowBytes
  const isPlain = rowBytes < longRow && rowBytes % vectorBytes === 0
  const whole = isPlain ? rowBytes : Math.ceil(rowBytes / vectorBytes) * vectorBytes + gap
  const fitting = Math.max(rowStep, Math.floor(stageBytes / whole / rowStep) * rowStep)
  const rowsAtOnce = isPlain ? Math.min(mostRows, fitting) : Math.max(longRows, Math.min(mostRows, fitting))
  const widest = Math.floor((stageBytes / rowsAtOnce - gap) / gap) * gap
  const width = isPlain ? rowBytes : Math.min(rowBytes, widest)
  const stride = isPlain ? rowBytes : Math.ceil(width / vectorBytes) * vectorBytes + gap
  for (let rowStart = 0; rowStart < rows; rowStart += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - rowStart)
    for (let start = 0; start < rowBytes; start += width) yield { rowStart, count, start, end: Math.min(rowBytes, start + width), stride }
  }
}

/** Each run of bytes of a block, and its place in the stage: one where they follow each other in both. */
export function eachRun(rows: PackedRows, block: Block, take: (bytes: Uint8Array, at: number) => void): void {
  const { bytes, rowBytes } = rows
  const { rowStart, count, start, end, stride } = block
  if (stride === rowBytes && end - start === rowBytes) {
    take(bytes.subarray(rowStart * rowBytes, (rowStart + count) * rowBytes), 0)
    return
  }
  for (let row = 0; row < count; row++) {
    const at = (rowStart + row) * rowBytes
    take(bytes.subarray(at + start, at + end), row * stride)
  }
}
