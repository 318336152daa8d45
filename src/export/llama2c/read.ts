import type { RowRange } from '../../checkpoint/checkpoint.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { readingAhead } from '../../io/read-ahead.ts'
import { proofFailed } from '../proof.ts'

/**
 * A llama2.c int8 file, read as runq.c reads it: sizes from the header alone, offsets by walking the tensors. Used to prove a
 * written file, so it shares no code with the writer.
 */
export interface Llama2cFile {
  readonly dim: number
  readonly hiddenDim: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly vocabSize: number
  readonly seqLen: number
  readonly isShared: boolean
  readonly groupSize: number
  /** Byte offset of the f32 norms: attention of every layer, MLP of every layer, final. */
  readonly normStart: number
  /** In file order. */
  readonly matrices: readonly Llama2cMatrix[]
}

interface Llama2cMatrix {
  readonly rows: number
  readonly columns: number
  /** Byte offset of the codes, [rows, columns], and of the f32 scales behind them. */
  readonly codeStart: number
  readonly scaleStart: number
}

/** Bytes before the norms. */
const weightStart = 256

/** Throws `proof-failed` for a header that is none, or sizes that do not fill the file. */
export async function readLlama2c(source: ByteSource, signal?: AbortSignal): Promise<Llama2cFile> {
  if (source.sizeBytes < weightStart) throw proofFailed('The header', 'is cut off')
  const view = new DataView((await source.read(0, weightStart, signal)).buffer)
  const name = String.fromCodePoint(...[3, 2, 1, 0].map((at) => view.getUint8(at)))
  if (name !== 'ak42' || view.getInt32(4, true) !== 2) throw proofFailed('The header', 'is not that of version 2')
  const [dim = 0, hiddenDim = 0, layers = 0, heads = 0, kvHeads = 0, vocabSize = 0, seqLen = 0] = Array.from({ length: 7 }, (_, index) =>
    view.getInt32(8 + 4 * index, true),
  )
  const flag = view.getUint8(36)
  const groupSize = view.getInt32(37, true)
  for (let at = 41; at < weightStart; at++) if (view.getUint8(at) !== 0) throw proofFailed('The header', `is not empty at byte ${at}`)
  if (flag > 1 || groupSize < 1 || heads < 1) throw proofFailed('The header', 'holds impossible settings')
  const keys = (dim / heads) * kvHeads
  const attention = [dim, keys, keys, dim].flatMap((rows) => Array.from({ length: layers }, () => [rows, dim] as const))
  const mlp = [[hiddenDim, dim] as const, [dim, hiddenDim] as const, [hiddenDim, dim] as const]
  const shapes = [
    [vocabSize, dim] as const,
    ...attention,
    ...mlp.flatMap((shape) => Array.from({ length: layers }, () => shape)),
    ...(flag === 1 ? [] : [[vocabSize, dim] as const]),
  ]
  let at = weightStart + 4 * dim * (2 * layers + 1)
  const matrices = shapes.map(([rows, columns]) => {
    const codeStart = at
    const scaleStart = at + rows * columns
    at = scaleStart + 4 * ((rows * columns) / groupSize)
    return { rows, columns, codeStart, scaleStart }
  })
  if (at !== source.sizeBytes) throw proofFailed('The header', `describes ${at} bytes, and the file has ${source.sizeBytes}`)
  return { dim, hiddenDim, layers, heads, kvHeads, vocabSize, seqLen, isShared: flag === 1, groupSize, normStart: weightStart, matrices }
}

interface Llama2cRows {
  readonly codes: Uint8Array<ArrayBuffer>
  readonly scales: Uint8Array<ArrayBuffer>
}

/** Rows [rowStart, rowEnd) of a matrix as the file has them, which hold until the next ones are read. */
export function rowReader(
  file: ByteSource,
  { rows, columns, codeStart, scaleStart }: Llama2cMatrix,
  groupSize: number,
  signal?: AbortSignal,
): (rows: RowRange) => Promise<Llama2cRows> {
  const readCodes = readingAhead(file, codeStart + rows * columns, signal)
  const scaleRow = 4 * (columns / groupSize)
  const readScales = readingAhead(file, scaleStart + rows * scaleRow, signal)
  return async ({ rowStart, rowEnd }) => {
    const codes = readCodes(codeStart + rowStart * columns, codeStart + rowEnd * columns)
    const scales = readScales(scaleStart + rowStart * scaleRow, scaleStart + rowEnd * scaleRow)
    const [ofCodes, ofScales] = await Promise.all([codes, scales])
    return { codes: ofCodes, scales: ofScales }
  }
}

/** tokenizer.bin as the runner reads it; throws `proof-failed` where it would stop. */
export function readTokenizer(
  bytes: Uint8Array<ArrayBuffer>,
  vocabSize: number,
): { readonly longest: number; readonly tokens: readonly { readonly text: string; readonly score: number }[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  try {
    let at = 4
    const tokens = Array.from({ length: vocabSize }, () => {
      const score = view.getFloat32(at, true)
      const length = view.getInt32(at + 4, true)
      if (length < 1) throw new RangeError('an empty token')
      const text = decoder.decode(bytes.subarray(at + 8, at + 8 + length))
      at += 8 + length
      return { text, score }
    })
    if (at !== bytes.length) throw new RangeError(`${bytes.length - at} bytes are left`)
    return { longest: view.getUint32(0, true), tokens }
  } catch (error) {
    throw proofFailed('The tokenizer', `cannot be read back: ${error instanceof Error ? error.message : String(error)}`)
  }
}
