import { StudioError } from '../../core/errors.ts'
import { widenValues } from '../../core/widen.ts'
import { type GgufFile, readGguf } from '../../formats/gguf/read.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { familyFor } from '../../models/registry.ts'
import { expectedTensors } from '../../models/tensors.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { fingerprint } from '../fingerprint.ts'
import { matchTensors } from '../match-tensors.ts'
import { SafetensorsCheckpoint } from '../safetensors-checkpoint.ts'
import type { StoredTensor } from '../stored-tensor.ts'
import { configOf } from './config.ts'
import { GgufSettings } from './settings.ts'
import { ggufMatrix, ggufPlaces, isPlain, type PlacedTensor, storedTensor } from './tensors.ts'
import { tokenizerOf } from './tokenizer.ts'

export interface GgufRequest {
  readonly name: string
  readonly originKind: Checkpoint['origin']['kind']
  /** The file, or all parts of one in order. */
  readonly files: readonly ByteSource[]
}

/**
 * Opens a model from llama.cpp's container: settings, tokenizer and tensor list come from its header, weights are dequantized as
 * rows are read. What the studio then calls float are the values of the file's blocks. Throws `StudioError`: `file-damaged`,
 * `config-invalid`, `tokenizer-invalid`, `unsupported-architecture`, `unsupported-dtype`, `config-contradicts-tensors`, `aborted`.
 */
export async function openGguf(request: GgufRequest, signal?: AbortSignal): Promise<Checkpoint> {
  const parts: { readonly source: ByteSource; readonly file: GgufFile }[] = []
  for (const source of request.files) parts.push({ source, file: await readGguf(source, signal) })
  const [first] = parts
  if (first === undefined) throw new TypeError('a GGUF model has at least one file')
  const settings = new GgufSettings(first.source.name, first.file.metadata)
  checkParts(settings, parts.length)
  const tensors = new Map<string, PlacedTensor>()
  for (const { source, file } of parts) for (const info of file.tensors) tensors.set(info.name, { ...info, source })
  const embedding = settings.required('token_embd.weight', tensors.get('token_embd.weight') ?? null)
  const rawConfig = configOf(settings, {
    vocab: embedding.shape[0] ?? 0,
    isTied: !tensors.has('output.weight'),
    ropeDivisors: await vectorOf(tensors.get('rope_freqs.weight'), signal),
  })
  const family = familyFor(rawConfig)
  const graph = family.describe(rawConfig)
  const places = ggufPlaces(graph, family.gguf.isRopeInterleaved)
  const { headDim } = graph.config
  const plain = new Map<string, StoredTensor>()
  const blocks = new Map<string, PlacedTensor>()
  for (const { name } of expectedTensors(graph)) {
    const place = places.get(name)
    const found = place === undefined ? undefined : tensors.get(place.name)
    if (place === undefined || found === undefined) continue
    if (isPlain(found, place)) plain.set(name, { ...storedTensor(found), name })
    else if (found.shape.length < 2 && place.isInterleaved) throw turnedBias(found)
    else blocks.set(name, found)
  }
  const matched = matchTensors(graph, plain, (spec) => {
    const tensor = blocks.get(spec.name)
    const place = places.get(spec.name)
    if (tensor === undefined || place === undefined) return null
    if (tensor.shape.join() !== spec.shape.join()) throw wrongShape(tensor, spec.shape)
    return ggufMatrix(tensor, place, headDim)
  })
  const headers = await Promise.all(
    parts.map(async ({ source, file: { dataStart } }) => ({
      source,
      header: { dataStart, bytes: await source.read(0, dataStart, signal) },
    })),
  )
  return new SafetensorsCheckpoint({
    name: request.name,
    origin: { kind: request.originKind, fingerprint: await fingerprint(new Uint8Array(), headers, signal) },
    family,
    graph,
    rawConfig,
    tokenizerFiles: tokenizerOf(settings),
    notes: [...(family.notes?.(rawConfig) ?? []), ...blockNotes([...blocks.values()]), ...matched.notes],
    stored: matched.tensors,
    quantized: matched.quantized,
  })
}

/** Throws `file-missing` where the file says that it is one of several parts which are not all there. */
function checkParts(settings: GgufSettings, found: number): void {
  const expected = settings.number('split.count') ?? 1
  if (expected === found) return
  throw new StudioError('file-missing', {
    title: 'Parts of the GGUF file are missing',
    message: `The model is in ${expected} parts; ${found} ${found === 1 ? 'is' : 'are'} here.`,
    remedy: 'Give all parts at once.',
    details: { expected, found },
  })
}

async function vectorOf(tensor: PlacedTensor | undefined, signal?: AbortSignal): Promise<Float32Array | null> {
  if (tensor === undefined || tensor.type !== 'F32') return null
  return widenValues('F32', await tensor.source.read(tensor.offset, tensor.offset + tensor.sizeBytes, signal))
}

function blockNotes(blocks: readonly PlacedTensor[]): string[] {
  const types = [...new Set(blocks.map(({ type }) => type))].filter((type) => !['F32', 'F16', 'BF16'].includes(type))
  if (types.length === 0) return []
  return [`Weights are stored as ${types.join(', ')}: what the studio starts from, and calls float, are the values of those blocks.`]
}

function turnedBias({ name, source }: PlacedTensor): StudioError {
  return new StudioError('unsupported-architecture', {
    title: 'Biases in the order of llama.cpp are not read',
    message: `${name} of ${source.name} is a bias of queries or keys whose elements llama.cpp has re-ordered.`,
    remedy: 'Open the folder that the file was made of.',
    details: { file: source.name, tensor: name },
  })
}

function wrongShape({ name, shape, source }: PlacedTensor, expected: readonly number[]): StudioError {
  return new StudioError('config-contradicts-tensors', {
    title: 'The weights are not those that the header describes',
    message: `${name} of ${source.name} is ${shape.join(' × ')}; by the settings it should be ${expected.join(' × ')}.`,
    remedy: 'Fetch the file again.',
    details: { file: source.name, tensor: name },
  })
}
