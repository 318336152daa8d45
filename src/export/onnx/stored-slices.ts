import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { throwIfAborted } from '../../core/errors.ts'
import { groupsPerRow } from '../../kernels/contract/affine.ts'
import { ggmlBytes } from '../../kernels/contract/ggml.ts'
import { codeRowBytes } from '../../kernels/contract/real-affine.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { sliceRows } from '../affine-rows.ts'
import { rowPieces } from '../float-pieces.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import type { ProofTools } from './weight-groups.ts'

/**
 * Compares a stored matrix with what a file says, `readBack` [rows, columns], piece by piece. Bit by bit; where the operator
 * multiplies in another order than the grid (int8 rows: code * (scale / 127) instead of (code * scale) / 127), within two units
 * of the last place.
 */
export async function proveSlices(
  stored: QuantizedTensor,
  { kernels, signal }: ProofTools,
  readBack: (range: RowRange) => Promise<Float32Array<ArrayBuffer>>,
): Promise<void> {
  const { name, rows, columns } = stored
  for (const range of rowPieces(rows, columns)) {
    throwIfAborted(signal)
    const slice = sliceStored(stored, range)
    const expected = await storage.get(slice.encoding).dequantize(slice, kernels, signal)
    const found = await readBack(range)
    if (stored.encoding === 'int8-rows') proveClose(name, found, expected)
    else proveEqual(`Tensor ${name}`, found, expected, range.rowStart * columns)
  }
}

/** Two units of the last place of an f32. */
const closeness = 2 ** -22

function proveClose(name: string, found: Float32Array, expected: Float32Array): void {
  const at = found.findIndex((value, i) => !(Math.abs(value - (expected[i] ?? 0)) <= closeness * Math.abs(expected[i] ?? 0)))
  if (at >= 0) throw proofFailed(`Tensor ${name}`, `differs after reading back: ${found[at] ?? 0} instead of ${expected[at] ?? 0}`)
}

/** Rows of a stored matrix as a matrix of their own; rows do not depend on each other. Throws `RangeError` where they do. */
function sliceStored(stored: QuantizedTensor, range: RowRange): QuantizedTensor {
  const { rowStart, rowEnd } = range
  const { columns } = stored
  const rows = rowEnd - rowStart
  switch (stored.encoding) {
    case 'affine':
      return { ...stored, rows, affine: sliceRows(stored.affine, range) }
    case 'real-affine': {
      const { realAffine } = stored
      const rowBytes = codeRowBytes(columns, realAffine.levels)
      const groups = groupsPerRow(columns, realAffine.group)
      const part = {
        codes: realAffine.codes.slice(rowStart * rowBytes, rowEnd * rowBytes),
        scales: realAffine.scales.slice(rowStart * groups, rowEnd * groups),
        zeroPoints: realAffine.zeroPoints.slice(rowStart * groups, rowEnd * groups),
      }
      return { ...stored, rows, realAffine: { ...realAffine, rows, ...part } }
    }
    case 'int8-rows': {
      const { int8Rows } = stored
      const codes = int8Rows.codes.slice(rowStart * columns, rowEnd * columns)
      return { ...stored, rows, int8Rows: { rows, columns, codes, scales: int8Rows.scales.slice(rowStart, rowEnd) } }
    }
    case 'ggml': {
      const rowBytes = ggmlBytes(stored.type, 1, columns)
      return { ...stored, rows, blocks: stored.blocks.slice(rowStart * rowBytes, rowEnd * rowBytes) }
    }
    case 'codebook':
    case 'k-means':
    case 'float':
      throw new RangeError(`${stored.name} in ${stored.encoding} cannot be cut into rows`)
  }
}
