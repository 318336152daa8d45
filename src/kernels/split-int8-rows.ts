import { throwIfAborted } from '../core/errors.ts'
import type { Int8RowsTensor } from './contract/int8-rows.ts'
import type { Matrix } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireLength } from './faults.ts'
import { pieceOf, rowPieces } from './pieces.ts'

export async function quantizeInt8Rows(executor: KernelExecutor, input: Matrix, signal: AbortSignal | undefined): Promise<Int8RowsTensor> {
  throwIfAborted(signal)
  const { rows, columns } = input
  requireLength('A matrix', input.data.length, rows * columns)
  const codes = new Int8Array(rows * columns)
  const scales = new Float32Array(rows)
  await executor.each(
    'quantizeInt8Rows',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: (piece, cut) => [pieceOf(input, piece, cut)],
      take: (part, piece) => {
        codes.set(part.codes, piece.start * columns)
        scales.set(part.scales, piece.start)
      },
    },
    signal,
  )
  return { rows, columns, codes, scales }
}

export async function dequantizeInt8Rows(
  executor: KernelExecutor,
  { rows, columns, codes, scales }: Int8RowsTensor,
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  requireLength('A list of codes', codes.length, rows * columns)
  requireLength('A list of scales', scales.length, rows)
  const values = new Float32Array(rows * columns)
  await executor.each(
    'dequantizeInt8Rows',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: ({ start, end }, cut) => [
        { rows: end - start, columns, codes: cut(codes, start * columns, end * columns), scales: cut(scales, start, end) },
      ],
      take: (part, { start }) => values.set(part, start * columns),
    },
    signal,
  )
  return values
}
