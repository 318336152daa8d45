import { blocksOf, eachRun, type PackedRows, stageBytes } from './blocks.ts'
import { instantiateTranspose, type TransposeExports } from './module.ts'

/** Lines across the rows of a matrix, one behind the other: of its columns from `first` on. */
export interface Lines {
  /** Within what `LineMemory.take` gave. */
  readonly bytes: Uint8Array
  readonly lineBytes: number
  /** Byte of every line at which the first of some rows begins. */
  readonly at: number
}

/** The module may read so much past the end of lines. */
const slack = 64
const pageBytes = 65536
/** Bits of an element in a row, and in a line. */
interface Widths {
  readonly bits: number
  readonly lineBits: number
  /** What else the function of the module takes, behind the others. */
  readonly settings?: readonly number[]
}

const nibble: Widths = { bits: 4, lineBits: 4 }
const word: Widths = { bits: 32, lineBits: 32 }
const half: Widths = { bits: 32, lineBits: 16 }

/**
 * Memory for lines of a file that cross the rows of a matrix, as where a word holds codes of several rows, and what turns rows into
 * such lines and lines into rows: WASM with SIMD in the calling thread, since a copy to another one would take as long. The two
 * ways share no code, so that what one wrote the other can prove.
 *
 * Serves one thing after the other, as `Scratch` does, and has no memory until some is taken.
 */
export class LineMemory {
  #wasm: TransposeExports | undefined

  /** So many bytes, holding whatever was there; what was taken before is given up. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    this.#wasm ??= instantiateTranspose()
    const { memory, heapBase } = this.#wasm
    const start = heapBase() + stageBytes
    const missing = start + bytes + slack - memory.buffer.byteLength
    if (missing > 0) memory.grow(Math.ceil(missing / pageBytes))
    return new Uint8Array(memory.buffer, start, bytes)
  }

  /**
   * Writes columns of rows, from `first` on, to as many lines: 4 bits a code, a nibble a row, of each eight rows 0, 2, 4, 6, 1, 3, 5
   * and 7, as AWQ has them. The rows are a multiple of eight.
   */
  nibblesToLines(rows: PackedRows, first: number, lines: Lines): void {
    this.#toLines('nibblesToLines', rows, { ...nibble, first }, lines)
  }

  /** As `nibblesToLines`, floats of 32 bits as the nearest halves (`narrowToHalf`): a half a row. */
  floatsToHalfLines(rows: PackedRows, first: number, lines: Lines): void {
    this.#toLines('floatsToHalfLines', rows, { ...half, first }, lines)
  }

  /** As `nibblesToLines`, words of 32 bits as they are: a word a row. */
  wordsToLines(rows: PackedRows, first: number, lines: Lines): void {
    this.#toLines('wordsToLines', rows, { ...word, first }, lines)
  }

  /**
   * As `nibblesToLines`, bytes as fields of 2, 3, 4 or 8 bits, row after row, least significant first: each less `less`, wrapped within
   * its field.
   */
  bytesToFieldLines(rows: PackedRows, first: number, lines: Lines, { bits, less }: { readonly bits: number; readonly less: number }): void {
    this.#toLines('bytesToFieldLines', rows, { bits: 8, lineBits: bits, first, settings: [bits, less] }, lines)
  }

  /** As `nibblesToLines`, bytes less `less`, wrapped: a byte a row, of any number of rows. */
  bytesToLines(rows: PackedRows, first: number, lines: Lines, less: number): void {
    this.#toLines('bytesToLines', rows, { bits: 8, lineBits: 8, first, settings: [less] }, lines)
  }

  /** Fills rows of bytes from a line for each. */
  linesToBytes(lines: Lines, rows: PackedRows): void {
    this.#toRows('linesToBytes', lines, rows, { bits: 8, lineBits: 8 })
  }

  /** Fills rows of a byte for each field of `bits` bits, `more` added and wrapped; the first row's begin with a byte of the lines. */
  fieldLinesToBytes(lines: Lines, rows: PackedRows, { bits, more }: { readonly bits: number; readonly more: number }): void {
    this.#toRows('fieldLinesToBytes', lines, rows, { bits: 8, lineBits: bits, settings: [bits, more] })
  }

  /** Fills rows of 4 bits a code from a line for each column, as `nibblesToLines` writes them. */
  linesToNibbles(lines: Lines, rows: PackedRows): void {
    this.#toRows('linesToNibbles', lines, rows, nibble)
  }

  /** Fills rows of floats of 32 bits from a line of halves for each. */
  halfLinesToFloats(lines: Lines, rows: PackedRows): void {
    this.#toRows('halfLinesToFloats', lines, rows, half)
  }

  /** Fills rows of words of 32 bits from a line for each. */
  linesToWords(lines: Lines, rows: PackedRows): void {
    this.#toRows('linesToWords', lines, rows, word)
  }

  #toLines(
    kernel: 'bytesToFieldLines' | 'bytesToLines' | 'nibblesToLines' | 'floatsToHalfLines' | 'wordsToLines',
    rows: PackedRows,
    { first, bits, lineBits, settings = [] }: Widths & { readonly first: number },
    { bytes, lineBytes, at }: Lines,
  ): void {
    const { wasm, stage, memory } = this.#holding(bytes)
    const last = first + bytes.length / lineBytes
    for (const block of blocksOf(rows)) {
      const { rowStart, count, start, end, stride } = block
      const skipped = (8 * start) / bits
      const [from, until] = [Math.max(first, skipped), Math.min(last, (8 * end) / bits)]
      if (from >= until) continue
      eachRun(rows, block, (run, place) => memory.set(run, place))
      const to = bytes.byteOffset + (from - first) * lineBytes + at + (rowStart * lineBits) / 8
      wasm[kernel](stage, stride, count, from - skipped, until - skipped, to, lineBytes, ...settings)
    }
  }

  #toRows(
    kernel: 'fieldLinesToBytes' | 'linesToBytes' | 'linesToNibbles' | 'halfLinesToFloats' | 'linesToWords',
    { bytes, lineBytes, at }: Lines,
    rows: PackedRows,
    { bits, lineBits, settings = [] }: Widths,
  ): void {
    const { wasm, stage, memory } = this.#holding(bytes)
    const columns = bytes.length / lineBytes
    for (const block of blocksOf(rows)) {
      const { rowStart, count, start, end, stride } = block
      const [from, until] = [(8 * start) / bits, Math.min(columns, (8 * end) / bits)]
      const place = bytes.byteOffset + from * lineBytes + at + (rowStart * lineBits) / 8
      wasm[kernel](place, lineBytes, until - from, count, stage, stride, ...settings)
      eachRun(rows, block, (run, staged) => run.set(memory.subarray(staged, staged + run.length)))
    }
  }

  /** The module, if lines are in its memory, and its stage. */
  #holding({ buffer }: Uint8Array): { readonly wasm: TransposeExports; readonly stage: number; readonly memory: Uint8Array } {
    const wasm = this.#wasm
    if (wasm?.memory.buffer !== buffer) throw new RangeError('lines are not in this memory')
    const stage = wasm.heapBase()
    return { wasm, stage, memory: new Uint8Array(buffer, stage, stageBytes) }
  }
}
