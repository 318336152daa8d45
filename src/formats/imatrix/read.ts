import { StudioError } from '../../core/errors.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { readGguf } from '../gguf/read.ts'
import { type GgufValue, ggufMagic } from '../gguf/types.ts'
import type { Imatrix } from './imatrix.ts'

/** Larger than the matrix of any model of this house; protects memory from a model file dropped in its place. */
export const mostImatrixBytes = 256 * 2 ** 20
/** Longest name of a tensor in any GGUF file, with room to spare. */
const longestName = 256

const sumsSuffix = '.in_sum2'
const countsSuffix = '.counts'

/**
 * An importance matrix of llama.cpp, in either of its formats, told apart by the first four bytes.
 * Throws `StudioError` `file-damaged` saying what is wrong.
 */
export async function readImatrix(source: ByteSource, signal?: AbortSignal): Promise<Imatrix> {
  if (source.sizeBytes > mostImatrixBytes) {
    throw damaged(source, `It has ${source.sizeBytes} bytes; at most ${mostImatrixBytes} are expected.`)
  }
  const bytes = await source.read(0, source.sizeBytes, signal)
  const isGguf = bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === ggufMagic
  const imatrix = isGguf ? await readAsGguf(source, bytes, signal) : readAsDat(source, bytes)
  for (const [name, means] of imatrix.means) {
    const index = means.findIndex((value) => !(value >= 0 && Number.isFinite(value)))
    if (index !== -1) throw damaged(source, `Column ${index} of ${name} has the importance ${String(means[index])}.`)
  }
  return imatrix
}

async function readAsGguf(source: ByteSource, bytes: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<Imatrix> {
  const file = await readGguf(source, signal)
  const metadata = new Map(file.metadata.map(({ key, value }) => [key, value]))
  if (metadata.get('general.type')?.value !== 'imatrix') throw damaged(source, 'It is a GGUF file, but not one of type "imatrix".')
  const valuesOf = ({ offset, sizeBytes }: { readonly offset: number; readonly sizeBytes: number }): Float32Array<ArrayBuffer> =>
    new Float32Array(bytes.slice(offset, offset + sizeBytes).buffer)
  const tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]))
  const means = new Map<string, Float32Array<ArrayBuffer>>()
  for (const sums of file.tensors) {
    if (!sums.name.endsWith(sumsSuffix)) continue
    const name = sums.name.slice(0, -sumsSuffix.length)
    const counts = tensors.get(`${name}${countsSuffix}`)
    if (counts === undefined) throw damaged(source, `${name} has sums but no counts.`)
    if (sums.type !== 'F32' || counts.type !== 'F32') throw damaged(source, `${name} is not stored as F32.`)
    const [count = 0, ...more] = valuesOf(counts)
    if (more.length > 0) continue
    // What was never run counts everywhere alike, as llama-quantize has it.
    means.set(
      name,
      valuesOf(sums).map((sum) => (count > 0 ? sum / count : 1)),
    )
  }
  if (means.size === 0) throw damaged(source, 'It holds no matrix.')
  return { datasets: stringsOf(metadata.get('imatrix.datasets')), chunks: Number(metadata.get('imatrix.chunk_count')?.value ?? 0), means }
}

function stringsOf(value: GgufValue | undefined): string[] {
  return value?.type === 'array' ? value.value.filter((one) => typeof one === 'string') : []
}

function readAsDat(source: ByteSource, bytes: Uint8Array<ArrayBuffer>): Imatrix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const need = (count: number): number => {
    if (count < 0 || at + count > bytes.length) throw damaged(source, `It ends, or goes wrong, at byte ${at}.`)
    at += count
    return at - count
  }
  const integer = (): number => view.getInt32(need(4), true)
  const text = (longest: number): string => {
    const length = integer()
    if (length > longest) throw damaged(source, `A name of ${length} bytes stands at byte ${at}.`)
    const start = need(length)
    return new TextDecoder().decode(bytes.subarray(start, start + length))
  }
  const entries = integer()
  if (entries < 1) throw damaged(source, 'It is no importance matrix: it says that it holds no matrix.')
  const means = new Map<string, Float32Array<ArrayBuffer>>()
  for (let entry = 0; entry < entries; entry++) {
    const name = text(longestName)
    const calls = integer()
    const columns = integer()
    const start = need(4 * columns)
    means.set(
      name,
      Float32Array.from({ length: columns }, (_, i) => {
        const value = view.getFloat32(start + 4 * i, true)
        return calls > 0 ? value / calls : value
      }),
    )
  }
  // The first files of this kind ended here.
  if (at === bytes.length) return { datasets: [], chunks: 0, means }
  const chunks = integer()
  const dataset = at === bytes.length ? '' : text(bytes.length)
  return { datasets: dataset === '' ? [] : [dataset], chunks, means }
}

function damaged(source: ByteSource, message: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This is not an importance matrix that can be read',
    message: `${source.name}: ${message}`,
    remedy: 'Give a file that llama-imatrix wrote, or calibrate on a text instead.',
    details: { file: source.name },
  })
}
