import { StudioError } from '../core/errors.ts'
import type { ModelGraph, TensorSpec } from '../models/model-graph.ts'
import { expectedTensors, isKnownBuffer } from '../models/tensors.ts'
import type { QuantizedMatrix } from './source-format.ts'
import { type FloatTensor, isFloatTensor, type StoredTensor } from './stored-tensor.ts'

/** One that the files hold as codes. */
export interface QuantizedTensor {
  readonly shape: readonly number[]
  readonly matrix: QuantizedMatrix
}

export interface MatchedTensors {
  readonly tensors: ReadonlyMap<string, FloatTensor>
  readonly quantized: ReadonlyMap<string, QuantizedTensor>
  readonly notes: readonly string[]
}

/** How the files hold a matrix of the graph as codes, `null` where they do not. */
export type OpenQuantized = (spec: TensorSpec) => QuantizedMatrix | null

/** Names listed in a message before the rest becomes a number. */
const namesShown = 3

/**
 * Finds every tensor of the graph and checks its shape and dtype. Tensors that are not of the graph are left aside, as
 * transformers does; those that are no known buffers are noted. Throws `config-contradicts-tensors`, `unsupported-dtype`.
 */
export function matchTensors(
  graph: ModelGraph,
  stored: ReadonlyMap<string, StoredTensor>,
  openQuantized: OpenQuantized = () => null,
): MatchedTensors {
  const expected = expectedTensors(graph)
  const quantized = new Map<string, QuantizedTensor>()
  for (const spec of expected) {
    const matrix = spec.shape.length === 2 ? openQuantized(spec) : null
    if (matrix !== null) quantized.set(spec.name, { shape: spec.shape, matrix })
  }
  const missing = expected.filter(({ name }) => !stored.has(name) && !quantized.has(name))
  if (missing.length > 0) throw missingTensors(graph, missing)
  const tensors = new Map<string, FloatTensor>()
  for (const spec of expected) {
    const found = quantized.has(spec.name) ? undefined : stored.get(spec.name)
    if (found === undefined) continue
    if (!isFloatTensor(found)) throw unsupportedDType(found)
    if (!sameShape(spec.shape, found.shape)) throw wrongShape(spec, found)
    tensors.set(spec.name, found)
  }
  const used = new Set([...tensors.keys(), ...[...quantized.values()].flatMap(({ matrix }) => matrix.parts.map(({ name }) => name))])
  const extra = [...stored.keys()].filter((name) => !used.has(name) && !isKnownBuffer(name))
  return { tensors, quantized, notes: extra.length === 0 ? [] : [leftAside(extra, graph)] }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i])
}

function missingTensors(graph: ModelGraph, missing: readonly TensorSpec[]): StudioError {
  const [first] = missing
  const details = {
    missing: missing
      .map(({ name }) => name)
      .slice(0, 50)
      .join('\n'),
    missingCount: missing.length,
  }
  if (missing.length === 1 && first?.name === graph.head?.name) {
    return new StudioError('config-contradicts-tensors', {
      title: 'The head of the model is missing',
      message: `config.json says that the head is a matrix of its own (tie_word_embeddings is false), but no file holds ${first?.name ?? ''}.`,
      remedy:
        'If the model shares its embedding with the head, set tie_word_embeddings to true in config.json; else fetch the missing file.',
      details,
    })
  }
  return new StudioError('config-contradicts-tensors', {
    title: 'The weights are not those that config.json describes',
    message: `${listed(missing.map(({ name }) => name))} ${missing.length === 1 ? 'is' : 'are'} in no file, but belong${missing.length === 1 ? 's' : ''} to a model of ${graph.config.layers} layers as config.json describes it.`,
    remedy: 'Check that config.json belongs to these weights and that no file was left behind.',
    details,
  })
}

function wrongShape(spec: TensorSpec, found: StoredTensor): StudioError {
  return new StudioError('config-contradicts-tensors', {
    title: 'The weights are not those that config.json describes',
    message: `By config.json, ${spec.name} is ${spec.shape.join(' x ')}; ${found.source.name} holds ${found.shape.join(' x ') || 'a single number'}.`,
    remedy: 'Use the config.json that belongs to these weights.',
    details: { tensor: spec.name, file: found.source.name },
  })
}

function unsupportedDType({ name, dtype, source }: StoredTensor): StudioError {
  return new StudioError('unsupported-dtype', {
    title: `Weights of type ${dtype} are not supported`,
    message: `${name} in ${source.name} is stored as ${dtype}; F32, F16 and BF16 can be read.`,
    remedy: 'Open the version of the model in F32, F16 or BF16.',
    details: { tensor: name, file: source.name, dtype },
  })
}

function leftAside(extra: readonly string[], graph: ModelGraph): string {
  const isSpareHead = graph.head === null && extra.length === 1 && extra[0] === 'lm_head.weight'
  if (isSpareHead) return 'lm_head.weight is left aside: config.json says that the head is the embedding matrix.'
  return `${listed(extra)} ${extra.length === 1 ? 'is' : 'are'} no part of this architecture and left aside.`
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, namesShown)
  const rest = names.length - shown.length
  if (rest > 0) return `${shown.join(', ')} and ${rest} more tensors`
  const last = shown.pop() ?? ''
  return shown.length === 0 ? `Tensor ${last}` : `Tensors ${shown.join(', ')} and ${last}`
}
