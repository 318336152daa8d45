import type { Support } from '../../core/support.ts'
import type { LinearSpec, ModelConfig } from '../../models/model-graph.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { int8Run } from '../int8-codes.ts'
import type { ExportFacts } from '../target.ts'

/** `ak42`, read as a u32. */
export const magic = 0x616b3432
export const version = 2
/** The header is padded to this. */
export const headerBytes = 256

/** Weights that share a scale when sizes allow it; export.py's default. */
const widestGroup = 64
/** Scales are f32 behind codes of one byte: smaller groups would leave them off a boundary of four. */
const narrowestGroup = 4
/** Constants of the runner's source. */
const ropeTheta = 10_000
export const runnerNormEps = 1e-5

/** Order in the file: all layers of one role, then all of the next (`memory_map_weights` in runq.c: wq wk wv wo w1 w2 w3). */
const roleOrder: readonly string[] = ['q', 'k', 'v', 'o', 'gate', 'down', 'up']

/** A vector kept in f32. */
export interface PlannedNorm {
  readonly name: string
  readonly elements: number
}

/** A matrix: its codes, one byte each, then its scales, one f32 for each group. */
export interface PlannedMatrix {
  readonly name: string
  readonly rows: number
  readonly columns: number
  /** Rows of a head are interleaved: the runner turns neighbours, Hugging Face's order has pairs half a head apart. */
  readonly isInterleaved: boolean
}

export interface Llama2cPlan {
  readonly config: ModelConfig
  readonly group: number
  readonly isShared: boolean
  readonly norms: readonly PlannedNorm[]
  readonly matrices: readonly PlannedMatrix[]
  readonly sizeBytes: number
}

/** Largest power of two, from 64 down, that divides every row and every stored run of equal scales; `null` below 4. */
export function groupOf(facts: ExportFacts): number | null {
  const extents = matricesOf(facts).flatMap(({ name, columns }) => {
    const encoding = facts.encodings.get(name)
    const run = encoding === undefined ? null : int8Run(encoding, columns)
    return run === null ? [columns] : [columns, run]
  })
  for (let group = widestGroup; group >= narrowestGroup; group /= 2) {
    if (extents.every((extent) => extent % group === 0)) return group
  }
  return null
}

/** Whether the runner computes this model, and every matrix has a form in its codes. */
export function supportsModel(facts: ExportFacts): Support {
  const { graph } = facts
  const { config } = graph
  if (config.ropeTheta !== ropeTheta || config.ropeScaling.kind !== 'none') {
    return `llama2.c's runner has the rotary base ${ropeTheta} built in and no scaling of positions; this model differs.`
  }
  if (config.headDim * config.heads !== config.hidden) {
    return `llama2.c's runner takes heads of hidden / heads; this model has heads of ${config.headDim}.`
  }
  if (graph.blocks.some(({ linears }) => linears.some(({ bias }) => bias !== null)))
    return "llama2.c's runner has no biases, and this model has."
  for (const { name, columns } of matricesOf(facts)) {
    const encoding = facts.encodings.get(name)
    if (encoding === undefined || encoding.encoding === 'source' || encoding.encoding === 'float') {
      return `llama2.c's int8 file holds every matrix in 8 bits, and ${name} stays float. Put embedding and head on the grid too.`
    }
    if (int8Run(encoding, columns) === null) {
      return `llama2.c's int8 file holds whole numbers of 8 bits times a scale, and ${name} is in ${storage.get(encoding.encoding).describe(encoding)}. Take Q8_0 or nearest-8bit-channel-sym.`
    }
  }
  if (groupOf(facts) === null) {
    return `llama2.c's int8 file needs one group size of ${narrowestGroup} to ${widestGroup} that divides all rows; this model's sizes share none.`
  }
  return true
}

/** Everything in file order. Call only where `supportsModel` holds. */
export function planFile(facts: ExportFacts): Llama2cPlan {
  const { graph } = facts
  const { config } = graph
  const group = groupOf(facts) ?? narrowestGroup
  const normNames = ['attnIn', 'mlpIn'].flatMap((role) => graph.blocks.flatMap(({ norms }) => norms[role]?.name ?? []))
  const norms = [...normNames, graph.finalNorm.name].map((name) => ({ name, elements: config.hidden }))
  const matrices = matricesOf(facts)
  const weights = matrices.reduce((sum, { rows, columns }) => sum + rows * columns, 0)
  const sizeBytes = headerBytes + 4 * norms.length * config.hidden + weights + 4 * (weights / group)
  return { config, group, isShared: graph.head === null, norms, matrices, sizeBytes }
}

function matricesOf({ graph }: ExportFacts): PlannedMatrix[] {
  const { vocab: rows, hidden: columns } = graph.config
  const large = (name: string): PlannedMatrix => ({ name, rows, columns, isInterleaved: false })
  const linears = roleOrder.flatMap((role) =>
    graph.blocks.flatMap((block) => block.linears.filter((linear) => linear.role === role).map(matrixOf)),
  )
  return [large(graph.embedding.name), ...linears, ...(graph.head === null ? [] : [large(graph.head.name)])]
}

function matrixOf({ weight, role, outFeatures, inFeatures }: LinearSpec): PlannedMatrix {
  return { name: weight, rows: outFeatures, columns: inFeatures, isInterleaved: role === 'q' || role === 'k' }
}

/** Magic, version, seven sizes, whether the head is the embedding, the group; zeros up to `headerBytes`. */
export function headerOf({ config, group, isShared }: Llama2cPlan): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headerBytes)
  const view = new DataView(bytes.buffer)
  const { hidden, intermediate, layers, heads, kvHeads, vocab, maxPositions } = config
  const words = [magic, version, hidden, intermediate, layers, heads, kvHeads, vocab, maxPositions]
  for (const [index, word] of words.entries()) view.setUint32(4 * index, word, true)
  view.setUint8(4 * words.length, isShared ? 1 : 0)
  view.setInt32(4 * words.length + 1, group, true)
  return bytes
}
