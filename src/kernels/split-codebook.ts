import { throwIfAborted } from '../core/errors.ts'
import { blockCount, type CodeBookParams, type CodeBookTensor, codeBytes } from './contract/codebook.ts'
import type { Matrix } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireBlockSize, requireLength } from './faults.ts'
import { eachPiece, rowPieces } from './pieces.ts'

/** Pieces are whole blocks of the flattened matrix, so that a block that spans rows is never cut. */
function blockPieces(blocks: number, blockSize: number): ReturnType<typeof rowPieces> {
  return rowPieces(blocks, blockSize * 4)
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
  await eachPiece(blockPieces(scales.length, blockSize), executor.concurrency, async (blocks) => {
    const start = blocks.start * blockSize
    const end = Math.min(data.length, blocks.end * blockSize)
    const part = await executor.run('quantizeCodeBook', (cut) => [{ data: cut(data, start, end), start, columns }, params], signal)
    codes.set(part.codes, start / 2)
    scales.set(part.scales, blocks.start)
  })
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
  await eachPiece(blockPieces(scales.length, blockSize), executor.concurrency, async (blocks) => {
    const start = blocks.start * blockSize
    const end = Math.min(count, blocks.end * blockSize)
    const part = await executor.run(
      'dequantizeCodeBook',
      (cut) => [
        {
          ...tensor,
          rows: 1,
          columns: end - start,
          codes: cut(codes, start / 2, Math.ceil(end / 2)),
          scales: cut(scales, blocks.start, blocks.end),
        },
      ],
      signal,
    )
    values.set(part, start)
  })
  return values
}
