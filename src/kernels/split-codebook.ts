import { throwIfAborted } from '../core/errors.ts'
import { blockCount, type CodeBookParams, type CodeBookTensor, codeBytes } from './contract/codebook.ts'
import type { Matrix } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireBlockSize, requireLength } from './faults.ts'
import { rowPieces } from './pieces.ts'

/** Blocks and the values in them: pieces are whole blocks of the flattened matrix, so that one that spans rows is never cut. */
function blockPieces(blocks: number, blockSize: number, count: number) {
  return rowPieces(blocks, blockSize * 4).map((piece) => ({
    blocks: piece,
    start: piece.start * blockSize,
    end: Math.min(count, piece.end * blockSize),
  }))
}

export async function quantizeCodeBook(
  executor: KernelExecutor,
  { input, params }: { input: Matrix; params: CodeBookParams },
  signal: AbortSignal | undefined,
): Promise<CodeBookTensor> {
  throwIfAborted(signal)
  const { book, blockSize } = params
  const { data, rows, columns } = input
  requireBlockSize(blockSize)
  requireLength('A matrix', data.length, rows * columns)
  const codes = new Uint8Array(codeBytes(input))
  const scales = new Float32Array(blockCount(input, blockSize))
  await executor.each(
    'quantizeCodeBook',
    blockPieces(scales.length, blockSize, data.length),
    {
      argumentsOf: ({ start, end }, cut) => [{ data: cut(data, start, end), start, columns }, params],
      take: (part, { blocks, start }) => {
        codes.set(part.codes, start / 2)
        scales.set(part.scales, blocks.start)
      },
    },
    signal,
  )
  return { rows, columns, book, blockSize, codes, scales }
}

export async function dequantizeCodeBook(
  executor: KernelExecutor,
  tensor: CodeBookTensor,
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const { rows, columns, blockSize, codes, scales } = tensor
  const count = rows * columns
  requireBlockSize(blockSize)
  requireLength('A code stream', codes.length, codeBytes(tensor))
  requireLength('A list of scales', scales.length, blockCount(tensor, blockSize))
  const values = new Float32Array(count)
  await executor.each(
    'dequantizeCodeBook',
    blockPieces(scales.length, blockSize, count),
    {
      argumentsOf: ({ blocks, start, end }, cut) => [
        {
          ...tensor,
          rows: 1,
          columns: end - start,
          codes: cut(codes, start / 2, Math.ceil(end / 2)),
          scales: cut(scales, blocks.start, blocks.end),
        },
      ],
      take: (part, { start }) => values.set(part, start),
    },
    signal,
  )
  return values
}
