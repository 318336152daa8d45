import { bytesPerElement } from '../core/dtype.ts'
import { StudioError } from '../core/errors.ts'
import { widenValues } from '../core/widen.ts'
import type { SafetensorsDType } from '../formats/safetensors/dtype.ts'
import type { FindTensor } from './source-format.ts'
import { isFloatTensor, type StoredTensor } from './stored-tensor.ts'

/** Name of the module: `model.layers.0.mlp.up_proj` of its `.weight`. */
export function moduleOf(weight: string): string {
  return weight.replace(/\.weight$/, '')
}

/** What a part must be; `float` is any of F32, F16 and BF16. `null` as an extent is any. */
export interface PartForm {
  readonly dtype: SafetensorsDType | 'float'
  readonly shape: readonly (number | null)[]
}

/** A part of a quantized matrix. Throws `config-contradicts-tensors` when it is missing or something else. */
export function requirePart(find: FindTensor, name: string, { dtype, shape }: PartForm): StoredTensor {
  const found = find(name)
  if (found === undefined) throw contradiction(name, 'is in no file, but belongs to a quantized matrix that is.')
  const isType = dtype === 'float' ? isFloatTensor(found) : found.dtype === dtype
  const isShape = found.shape.length === shape.length && shape.every((extent, i) => extent === null || extent === found.shape[i])
  if (isType && isShape) return found
  const wanted = `${dtype === 'float' ? 'floats' : dtype} of ${shape.map((extent) => extent ?? 'any').join(' x ') || 'one element'}`
  throw contradiction(
    name,
    `is ${found.dtype} of ${found.shape.join(' x ') || 'one element'} where the matrix it belongs to needs ${wanted}.`,
  )
}

function contradiction(name: string, fact: string): StudioError {
  return new StudioError('config-contradicts-tensors', {
    title: 'The quantized weights do not fit together',
    message: `Tensor ${name} ${fact}`,
    remedy: 'Use config.json and weights of one export, or open the model in F32, F16 or BF16.',
    details: { tensor: name },
  })
}

/** The fault of parts whose values contradict each other. */
export function damagedPart({ name, source }: StoredTensor, fact: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This file is damaged',
    message: `Tensor ${name} in ${source.name} ${fact}.`,
    remedy: 'Choose another file, or fetch this one again.',
    details: { tensor: name, file: source.name },
  })
}

/** The fault of a matrix in a form that the studio does not read. */
export function unsupportedForm(name: string, fact: string): StudioError {
  return new StudioError('unsupported-dtype', {
    title: 'This form of quantized weights is not supported',
    message: `${name} ${fact}.`,
    remedy: 'Open the version of the model in F32, F16 or BF16.',
    details: { tensor: name },
  })
}

/** Bytes [start, end) of a part, default all; at offset 0 of a buffer of their own, so that words can be seen in them. */
export async function readPart(
  part: StoredTensor,
  signal?: AbortSignal,
  [start, end]: readonly [number, number] = [0, part.end - part.start],
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await part.source.read(part.start + start, part.start + end, signal)
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}

export async function readWords(part: StoredTensor, signal?: AbortSignal): Promise<Uint32Array<ArrayBuffer>> {
  return new Uint32Array((await readPart(part, signal)).buffer)
}

/** Elements [start, end) of a part of floats, default all, widened to f32. */
export async function readFloats(
  part: StoredTensor,
  signal?: AbortSignal,
  range?: readonly [number, number],
): Promise<Float32Array<ArrayBuffer>> {
  if (!isFloatTensor(part)) throw new RangeError(`${part.name} is ${part.dtype}, not floats`)
  const width = bytesPerElement[part.dtype]
  const bytes = range === undefined ? await readPart(part, signal) : await readPart(part, signal, [range[0] * width, range[1] * width])
  return widenValues(part.dtype, bytes)
}
