import { GraphBuilder } from '../../formats/onnx/builder.ts'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import { isOfRuntime } from '../../kernels/contract/activations.ts'
import type { BlockHalf } from '../../models/block-halves.ts'
import type { BlockSpec, ModelConfig } from '../../models/model-graph.ts'
import { type BlockActivationModes, LinearRounding } from './activations.ts'
import { rmsNorm } from './rms-norm.ts'

/**
 * What a session of the block computes: `plain` the output alone, `taps` also the inputs of the linears, `ranges` both and how
 * far the linears' outputs reach, `start` also keys and values, `step` the same with earlier keys and values in front; a half takes
 * the hidden states before it and gives what it adds to them.
 */
export type BlockVariant = 'plain' | 'taps' | 'ranges' | 'start' | 'step' | BlockHalf

export interface BlockGraphOptions {
  readonly variant: BlockVariant
  /** Causal attention is done in this many parts of the queries, each against the keys before its end; at least 1. */
  readonly parts: number
  /** Default: every linear takes floats. */
  readonly modes?: BlockActivationModes
  /** Whether the backend computes in f64. */
  readonly hasDoubles: boolean
}

/** Names of graph inputs that are not weights; weights are named by role, biases `<role>.bias`. */
export const blockInputs = {
  /** [batch, length, hidden]. */
  hidden: 'hidden',
  /** [positions, headDim / 2], see `rope.ts`. */
  cosine: 'cosine',
  sine: 'sine',
  /** int64 [1]: tokens already in the cache. */
  offset: 'offset',
  /** [length, 1]: position of each query, as float. */
  queryPositions: 'queryPositions',
  /** [1, total]: position of each key, as float. */
  keyPositions: 'keyPositions',
  /** int64 [parts]: queries in each part. */
  partLengths: 'partLengths',
  /** int64 [1] each: keys that part `i` may see. */
  partEnd: (part: number): string => `partEnd.${String(part)}`,
  /** [batch, kvHeads, past, headDim]; only in `step`. */
  pastKeys: 'pastKeys',
  pastValues: 'pastValues',
} as const

export const blockOutputs = {
  hidden: 'output',
  tap: (tap: string): string => `tap.${tap}`,
  /** [tokens]: the largest magnitude in each token's output of a linear, before it is rounded. */
  range: (role: string): string => `range.${role}`,
  keys: 'keys',
  values: 'values',
} as const

/** Below every score and far from overflow when added to one. */
const maskedScore = -1e30

/**
 * The decoder block as an ONNX graph with its weights as inputs, so that one session serves all blocks of the shape.
 * Linears are `Gemm` with the weight as [out, in]: measured as fast as any other form (see README.md of this room), and no transposed
 * copy is needed. Attention is plain operators: `GroupQueryAttention` was 1.4 to 2.5 times slower on WASM and wants head
 * widths that are multiples of 16. Query heads that share a key head are stacked, so keys are never repeated.
 */
export function blockGraph(
  config: ModelConfig,
  block: BlockSpec,
  { variant, parts, modes = {}, hasDoubles }: BlockGraphOptions,
): OnnxGraph {
  const { hidden, kvHeads, headDim } = config
  const builder = new GraphBuilder()
  const input = builder.input(blockInputs.hidden, 'float', ['batch', 'length', hidden])
  const batchAndLength = builder.node('Slice', [builder.node('Shape', [input]), builder.integers([0]), builder.integers([2])])
  const taps = new Map<string, string>()
  const products = new Map<string, string>()
  const rounding = new LinearRounding(builder, modes)
  const isPrecise = hasDoubles && Object.values(modes).some(isOfRuntime)
  const scope = { builder, config, block, variant, parts, batchAndLength, taps, products, rounding, isPrecise }
  const finish = (output: string): OnnxGraph => {
    builder.output(output, blockOutputs.hidden, ['batch', 'length', hidden])
    return builder.build(`block-${variant}`)
  }
  if (variant === 'mlp') return finish(mlp(scope, input))
  const { attended, keys, values } = attention(scope, input)
  if (variant === 'attention') return finish(attended)
  const middle = builder.node('Add', [input, attended])
  const output = builder.node('Add', [middle, mlp(scope, middle)])
  if (variant === 'taps' || variant === 'ranges') {
    for (const [tap, value] of taps) {
      const width = block.linears.find((spec) => spec.tap === tap)?.inFeatures ?? 0
      builder.output(value, blockOutputs.tap(tap), ['tokens', width])
    }
  }
  if (variant === 'ranges') {
    for (const [role, value] of products) {
      const largest = builder.node('ReduceMax', [builder.node('Abs', [value]), builder.integers([1])], { keepdims: { int: 0 } })
      builder.output(largest, blockOutputs.range(role), ['tokens'])
    }
  }
  if (variant === 'start' || variant === 'step') {
    builder.output(keys, blockOutputs.keys, ['batch', kvHeads, 'total', headDim])
    builder.output(values, blockOutputs.values, ['batch', kvHeads, 'total', headDim])
  }
  return finish(output)
}

interface BlockScope {
  readonly builder: GraphBuilder
  readonly config: ModelConfig
  readonly block: BlockSpec
  readonly variant: BlockVariant
  readonly parts: number
  /** int64 [2]. */
  readonly batchAndLength: string
  readonly taps: Map<string, string>
  /** By role. */
  readonly products: Map<string, string>
  readonly rounding: LinearRounding
  /** Of the norms. */
  readonly isPrecise: boolean
}

/** What attention over the normed input adds, [batch, length, hidden]. */
function attention(scope: BlockScope, input: string): Readonly<Record<'attended' | 'keys' | 'values', string>> {
  const { builder, config, variant } = scope
  const { hidden, heads, kvHeads, headDim } = config
  builder.input(blockInputs.cosine, 'float', ['positions', headDim / 2])
  builder.input(blockInputs.sine, 'float', ['positions', headDim / 2])
  builder.input(blockInputs.offset, 'int64', [1])
  const normed = flat(builder, norm(scope, input, 'attnIn'), hidden)
  const rotated = (role: string, count: number): string =>
    withWidth(
      scope,
      builder.contrib(
        'RotaryEmbedding',
        [withWidth(scope, linear(scope, normed, role), count * headDim), blockInputs.offset, blockInputs.cosine, blockInputs.sine],
        { num_heads: { int: count } },
      ),
      count,
      headDim,
    )
  const byHead = (value: string): string => builder.node('Transpose', [value], { perm: { ints: [0, 2, 1, 3] } })
  const scale = builder.constant(Float32Array.of(1 / Math.sqrt(headDim)), [])
  const queries = byHead(builder.node('Mul', [rotated('q', heads), scale]))
  let keys = byHead(rotated('k', kvHeads))
  let values = byHead(withWidth(scope, linear(scope, normed, 'v'), kvHeads, headDim))
  if (variant === 'step') {
    builder.input(blockInputs.pastKeys, 'float', ['batch', kvHeads, 'past', headDim])
    builder.input(blockInputs.pastValues, 'float', ['batch', kvHeads, 'past', headDim])
    keys = builder.node('Concat', [blockInputs.pastKeys, keys], { axis: { int: 2 } })
    values = builder.node('Concat', [blockInputs.pastValues, values], { axis: { int: 2 } })
  }
  const mixed = flat(builder, byHead(causalAttention(scope, { queries, keys, values })), heads * headDim)
  return { attended: withWidth(scope, linear(scope, mixed, 'o'), hidden), keys, values }
}

/** What the gated MLP over the normed input adds, [batch, length, hidden]. */
function mlp(scope: BlockScope, input: string): string {
  const { builder, config } = scope
  const normed = flat(builder, norm(scope, input, 'mlpIn'), config.hidden)
  // QuickGelu with alpha 1 is SiLU, x * sigmoid(x), in one pass
  const gate = builder.contrib('QuickGelu', [linear(scope, normed, 'gate')], { alpha: { float: 1 } })
  return withWidth(scope, linear(scope, builder.node('Mul', [gate, linear(scope, normed, 'up')]), 'down'), config.hidden)
}

function flat(builder: GraphBuilder, value: string, width: number): string {
  return builder.node('Reshape', [value, builder.integers([-1, width])])
}

/** [batch, length, ...tail]. */
function withWidth({ builder, batchAndLength }: BlockScope, value: string, ...tail: number[]): string {
  return builder.node('Reshape', [value, builder.node('Concat', [batchAndLength, builder.integers(tail)], { axis: { int: 0 } })])
}

function norm({ builder, config, block, isPrecise }: BlockScope, value: string, role: string): string {
  const gain = builder.input(role, 'float', block.norms[role]?.shape ?? [])
  return rmsNorm(builder, value, gain, { epsilon: config.normEps, isPrecise })
}

/** Taps and products are the inputs and outputs before they are rounded. */
function linear({ builder, block, taps, products, rounding }: BlockScope, value: string, role: string): string {
  const spec = block.linears.find((linear) => linear.role === role)
  if (spec === undefined) throw new RangeError(`The block has no linear "${role}".`)
  taps.set(spec.tap, value)
  const inputs = [rounding.input(value, role, spec.inFeatures), builder.input(role, 'float', [spec.outFeatures, spec.inFeatures])]
  if (spec.bias !== null) inputs.push(builder.input(`${role}.bias`, 'float', [spec.outFeatures]))
  const product = builder.node('Gemm', inputs, { transB: { int: 1 } })
  products.set(role, product)
  return rounding.output(product, role, spec.outFeatures)
}

/**
 * softmax(Q K^T) V, [batch, heads, length, headDim]. Done part by part over the queries: later keys are not even multiplied,
 * which saves nearly half of the work, and the scores of one part at a time are all that is in memory.
 */
function causalAttention(
  { builder, config, parts }: BlockScope,
  { queries, keys, values }: Readonly<Record<'queries' | 'keys' | 'values', string>>,
): string {
  const { heads, kvHeads, headDim } = config
  builder.input(blockInputs.queryPositions, 'float', ['length', 1])
  builder.input(blockInputs.keyPositions, 'float', [1, 'total'])
  builder.input(blockInputs.partLengths, 'int64', [parts])
  const zero = builder.constant(Float32Array.of(0), [])
  const masked = builder.constant(Float32Array.of(maskedScore), [])
  const queryParts = builder.split(queries, blockInputs.partLengths, { axis: 2, count: parts })
  const positionParts = builder.split(blockInputs.queryPositions, blockInputs.partLengths, { axis: 0, count: parts })
  const keysTransposed = builder.node('Transpose', [keys], { perm: { ints: [0, 1, 3, 2] } })
  const mixed = queryParts.map((query, part) => {
    const end = builder.input(blockInputs.partEnd(part), 'int64', [1])
    const before = (value: string, axis: number): string =>
      builder.node('Slice', [value, builder.integers([0]), end, builder.integers([axis])])
    const endingWith = (...head: number[]): string => builder.node('Concat', [builder.integers(head), end], { axis: { int: 0 } })
    const stacked = builder.node('Reshape', [query, builder.integers([0, kvHeads, -1, headDim])])
    const scores = builder.node('MatMul', [stacked, before(keysTransposed, 3)])
    const isVisible = builder.node('LessOrEqual', [before(blockInputs.keyPositions, 1), positionParts[part] ?? ''])
    const bias = builder.node('Where', [isVisible, zero, masked])
    const byQuery = builder.node('Reshape', [scores, endingWith(0, kvHeads, heads / kvHeads, -1)])
    const weights = builder.node('Softmax', [builder.node('Add', [byQuery, bias])], { axis: { int: -1 } })
    const product = builder.node('MatMul', [builder.node('Reshape', [weights, endingWith(0, kvHeads, -1)]), before(values, 2)])
    return builder.node('Reshape', [product, builder.integers([0, heads, -1, headDim])])
  })
  return mixed.length === 1 ? (mixed[0] ?? '') : builder.node('Concat', mixed, { axis: { int: 2 } })
}
