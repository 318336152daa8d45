import { throwIfAborted } from '../../core/errors.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { rowPieces } from '../float-pieces.ts'
import { readStored } from './code-groups.ts'
import { blockScales, type CodeMatrix, codeMatrix } from './code-matrix.ts'
import { floatsOf } from './float-group.ts'
import type { NBits } from './nbits.ts'
import { type QdqMatrix, qdqNames } from './qdq-plan.ts'
import { proveSlices } from './stored-slices.ts'
import { type WeightGroup, weightTensor } from './weight-groups.ts'

/** Rows are handled in strips of this many, so that a transposition reads and writes within the cache. */
const stripRows = 64

/** Codes [columns, rows], as `MatMul` takes a weight, and a scale for each row. */
export function qdqGroup({ name, rows, columns }: QdqMatrix): WeightGroup {
  const names = qdqNames(name)
  const codes = weightTensor(names.codes, 'int8', [columns, rows])
  const scales = weightTensor(names.scales, 'float', [rows])
  // One block a row, whatever its width: only scales and codes are taken from it.
  const setting: NBits = { bits: 8, block: columns, zero: 'default' }
  return {
    tensors: [codes, scales],
    async *write(source, signal) {
      const matrix = codeMatrix(await readStored(source, name, signal), setting)
      for (const range of rowPieces(columns, rows)) {
        throwIfAborted(signal)
        yield { tensor: codes, bytes: transposed(matrix, range) }
      }
      yield { tensor: scales, bytes: bytesOfFloats(blockScales(matrix, setting)) }
    },
    async prove(tools) {
      const ofRows = floatsOf(await tools.read(scales, 0, scales.sizeBytes), 'float')
      const all = new Int8Array((await tools.read(codes, 0, codes.sizeBytes)).buffer)
      await proveSlices(await readStored(tools.source, name, tools.signal), tools, ({ rowStart, rowEnd }) => {
        const values = new Float32Array((rowEnd - rowStart) * columns)
        for (let column = 0; column < columns; column++) {
          for (let row = rowStart; row < rowEnd; row++) {
            values[(row - rowStart) * columns + column] = (all[column * rows + row] ?? Number.NaN) * (ofRows[row] ?? Number.NaN)
          }
        }
        return Promise.resolve(values)
      })
    },
  }
}

/** Columns [rowStart, rowEnd) of a matrix as rows, in two's complement. */
function transposed(
  matrix: CodeMatrix,
  { rowStart, rowEnd }: { readonly rowStart: number; readonly rowEnd: number },
): Uint8Array<ArrayBuffer> {
  const { rows, columns } = matrix
  const bytes = new Uint8Array((rowEnd - rowStart) * rows)
  const strip = new Uint8Array(stripRows * columns)
  for (let first = 0; first < rows; first += stripRows) {
    const count = Math.min(stripRows, rows - first)
    for (let row = 0; row < count; row++) matrix.readCodes(first + row, strip.subarray(row * columns, (row + 1) * columns))
    for (let column = rowStart; column < rowEnd; column++) {
      const at = (column - rowStart) * rows + first
      for (let row = 0, from = column; row < count; row++, from += columns) bytes[at + row] = (strip[from] ?? 0) - 128
    }
  }
  return bytes
}
