import { throwIfAborted } from '../core/errors.ts'
import { groupsPerRow } from './contract/affine.ts'
import type { Matrix } from './contract/kernels.ts'
import { codeRowBytes, type RealAffineFit, type RealAffineTensor } from './contract/real-affine.ts'
import type { KernelExecutor } from './executor.ts'
import { requireGroup, requireLength, requireLevels } from './faults.ts'
import { pieceOf, rowPieces } from './pieces.ts'

export async function quantizeRealAffine(
  executor: KernelExecutor,
  { input, fit }: { input: Matrix; fit: RealAffineFit },
  signal: AbortSignal | undefined,
): Promise<RealAffineTensor> {
  throwIfAborted(signal)
  requireLevels(fit)
  requireGroup(fit.group)
  requireLength('A matrix', input.data.length, input.rows * input.columns)
  const { rows, columns } = input
  const { levels, isSymmetric, group } = fit
  const groups = groupsPerRow(columns, group)
  const rowBytes = codeRowBytes(columns, levels)
  const codes = new Uint8Array(rows * rowBytes)
  const scales = new Float32Array(rows * groups)
  const zeroPoints = new Float32Array(isSymmetric ? 0 : rows * groups)
  await executor.each(
    'quantizeRealAffine',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: (piece, cut) => [pieceOf(input, piece, cut), fit],
      take: (part, piece) => {
        codes.set(part.codes, piece.start * rowBytes)
        scales.set(part.scales, piece.start * groups)
        if (!isSymmetric) zeroPoints.set(part.zeroPoints, piece.start * groups)
      },
    },
    signal,
  )
  return { rows, columns, levels, isSymmetric, group, codes, scales, zeroPoints }
}

export async function dequantizeRealAffine(
  executor: KernelExecutor,
  tensor: RealAffineTensor,
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const { rows, columns, levels, isSymmetric, group } = tensor
  const groups = groupsPerRow(columns, group)
  const rowBytes = codeRowBytes(columns, levels)
  requireLength('A code stream', tensor.codes.length, rows * rowBytes)
  requireLength('A list of scales', tensor.scales.length, rows * groups)
  requireLength('A list of zero points', tensor.zeroPoints.length, isSymmetric ? 0 : rows * groups)
  const values = new Float32Array(rows * columns)
  await executor.each(
    'dequantizeRealAffine',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: ({ start, end }, cut) => [
        {
          ...tensor,
          rows: end - start,
          codes: cut(tensor.codes, start * rowBytes, end * rowBytes),
          scales: cut(tensor.scales, start * groups, end * groups),
          zeroPoints: isSymmetric ? cut(tensor.zeroPoints, 0, 0) : cut(tensor.zeroPoints, start * groups, end * groups),
        },
      ],
      take: (part, { start }) => values.set(part, start * columns),
    },
    signal,
  )
  return values
}
