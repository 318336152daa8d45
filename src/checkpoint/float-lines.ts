import { floatFromBfloat16 } from '../core/float16.ts'
import { shortWordsIn } from '../core/words.ts'
import type { LineMemory } from '../kernels/transpose/line-memory.ts'
import { elementBytes, type StoredTensor } from './stored-tensor.ts'

/** Lines of floats across `rows` rows, of which those from `first` on are wanted. */
interface FloatLines {
  /** As they are stored, in the memory that turns them. */
  readonly bytes: Uint8Array
  readonly rows: number
  readonly first: number
}

/** Fills rows with the floats of a part, one of each line, widened to f32. Throws `RangeError` for a part of anything else. */
export function floatsOfLines(part: StoredTensor, { bytes, rows, first }: FloatLines, lineMemory: LineMemory, into: Float32Array): void {
  const width = elementBytes(part)
  const lines = { bytes, lineBytes: width * rows, at: width * first }
  const columns = bytes.length / lines.lineBytes
  const ofRows = { bytes: new Uint8Array(into.buffer, into.byteOffset, into.byteLength), rowBytes: 4 * columns }
  if (part.dtype === 'F16') lineMemory.halfLinesToFloats(lines, ofRows)
  else if (part.dtype === 'F32') lineMemory.linesToWords(lines, ofRows)
  else {
    const values = shortWordsIn(bytes)
    for (let at = 0; at < into.length; at++) {
      const [row, column] = [Math.floor(at / columns), at % columns]
      into[at] = floatFromBfloat16(values[column * rows + first + row] ?? 0)
    }
  }
}
