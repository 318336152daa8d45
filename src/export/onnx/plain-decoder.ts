import { GraphBuilder } from '../../formats/onnx/builder.ts'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import type { BlockSpec, ModelGraph } from '../../models/model-graph.ts'
import type { PlacedWeight } from './data-files.ts'
import { decoderNames, ropeNames } from './decoder-names.ts'
import { FloatProducts } from './float-products.ts'
import { type QdqMatrix, qdqNames } from './qdq-plan.ts'

export interface PlainDecoderParts {
  readonly graph: ModelGraph
  /** By checkpoint name: the linears in 8 bits; all other matrices are floats. */
  readonly matrices: ReadonlyMap<string, QdqMatrix>
  readonly weights: readonly PlacedWeight[]
}

/** What TensorRT 8.6 and everything after it reads. */
const versions = { ir: 8, opset: 17 } as const

/** Below every score and far from overflow when added to one. */
const maskedScore = -1e9

/**
 * The decoder with its cache in plain ONNX operators, linears between `QuantizeLinear` and `DequantizeLinear`. The mask may leave
 * out tokens anywhere, and positions come from outside.
 */
export function plainDecoder(parts: PlainDecoderParts): OnnxGraph {
  const { graph, weights } = parts
  const { config } = graph
  const builder = new GraphBuilder()
  builder.input(decoderNames.inputIds, 'int64', ['batch_size', 'sequence_length'])
  builder.input(decoderNames.attentionMask, 'int64', ['batch_size', 'total_sequence_length'])
  builder.input(decoderNames.positionIds, 'int64', ['batch_size', 'sequence_length'])
  for (const { index } of graph.blocks) {
    for (const name of [decoderNames.pastKey(index), decoderNames.pastValue(index)]) {
      builder.input(name, 'float', ['batch_size', config.kvHeads, 'past_sequence_length', config.headDim])
    }
  }
  for (const { tensor, place } of weights) {
    builder.initializer({ name: tensor.name, shape: tensor.shape, type: tensor.type, external: place })
  }
  new PlainDecoder(builder, parts).build()
  return { ...builder.build(graph.familyId), versions }
}

class PlainDecoder {
  readonly #builder: GraphBuilder
  readonly #parts: PlainDecoderParts
  readonly #floats: FloatProducts
  readonly #cosine: string
  readonly #sine: string
  readonly #extents: SequenceExtents
  readonly #zeroCode: string
  /** By window, [batch, 1, 1, length, total]. */
  readonly #biases = new Map<number | null, string>()
  readonly #rounded = new Map<string, string>()

  constructor(builder: GraphBuilder, parts: PlainDecoderParts) {
    this.#builder = builder
    this.#parts = parts
    this.#floats = new FloatProducts(builder, decoderNames.inputIds)
    const atPositions = (table: string): string =>
      builder.node('Unsqueeze', [builder.node('Gather', [table, decoderNames.positionIds]), builder.integers([1])])
    this.#cosine = atPositions(ropeNames.cosine)
    this.#sine = atPositions(ropeNames.sine)
    this.#extents = sequenceExtents(builder)
    this.#zeroCode = builder.constant(new Int8Array(1), [])
  }

  build(): void {
    const { graph } = this.#parts
    const { config, blocks, finalNorm, embedding } = graph
    const builder = this.#builder
    let residual = this.#named('Gather', [embedding.name, decoderNames.inputIds], 'embedding')
    for (const block of blocks) {
      const label = `layers.${block.index}`
      const attended = this.#attend(this.#norm(residual, block.norms['attnIn']?.name ?? '', `${label}.attention_input`), block)
      residual = this.#named('Add', [residual, attended], `${label}.attention_sum`)
      const mlp = this.#mlp(this.#norm(residual, block.norms['mlpIn']?.name ?? '', `${label}.mlp_input`), block)
      residual = this.#named('Add', [residual, mlp], `${label}.sum`)
    }
    const normed = this.#norm(residual, finalNorm.name, 'final')
    const [rows = 0, columns = 0] = embedding.shape
    this.#floats.product(normed, graph.head?.name ?? embedding.name, { rows, columns, output: decoderNames.logits })
    builder.publish({ name: decoderNames.logits, type: 'float', shape: ['batch_size', 'sequence_length', config.vocab] })
    const cache = ['batch_size', config.kvHeads, 'total_sequence_length', config.headDim]
    for (const { index } of blocks) {
      for (const name of [decoderNames.presentKey(index), decoderNames.presentValue(index)]) {
        builder.publish({ name, type: 'float', shape: cache })
      }
    }
  }

  #norm(value: string, gain: string, output: string): string {
    const builder = this.#builder
    const squares = builder.node('ReduceMean', [builder.node('Mul', [value, value])], { axes: { ints: [-1] }, keepdims: { int: 1 } })
    const root = builder.node('Sqrt', [builder.node('Add', [squares, this.#scalar(this.#parts.graph.config.normEps)])])
    return this.#named('Mul', [builder.node('Div', [value, root]), gain], output)
  }

  #attend(value: string, block: BlockSpec): string {
    const { heads, kvHeads, headDim } = this.#parts.graph.config
    const builder = this.#builder
    const queries = this.#rotate(this.#byHead(this.#linear(value, block, 'q'), heads))
    const keys = this.#cached(decoderNames.pastKey, this.#rotate(this.#byHead(this.#linear(value, block, 'k'), kvHeads)), block)
    const values = this.#cached(decoderNames.pastValue, this.#byHead(this.#linear(value, block, 'v'), kvHeads), block)
    // Queries that share a key head lie side by side, so keys are never repeated.
    const grouped = builder.node('Reshape', [queries, builder.integers([0, kvHeads, heads / kvHeads, -1, headDim])])
    const scaled = builder.node('Mul', [grouped, this.#scalar(1 / Math.sqrt(headDim))])
    const shared = (each: string): string => builder.node('Unsqueeze', [each, builder.integers([2])])
    const transposed = builder.node('Transpose', [shared(keys)], { perm: { ints: [0, 1, 2, 4, 3] } })
    const scores = builder.node('Add', [builder.node('MatMul', [scaled, transposed]), this.#bias(block.window ?? null)])
    const mixed = builder.node('MatMul', [builder.node('Softmax', [scores], { axis: { int: -1 } }), shared(values)])
    const byHead = builder.node('Reshape', [mixed, builder.integers([0, heads, -1, headDim])])
    const byToken = builder.node('Transpose', [byHead], { perm: { ints: [0, 2, 1, 3] } })
    const output = `layers.${block.index}.attention`
    return this.#linear(this.#named('Reshape', [byToken, builder.integers([0, 0, heads * headDim])], output), block, 'o')
  }

  #byHead(value: string, heads: number): string {
    const { headDim } = this.#parts.graph.config
    const split = this.#builder.node('Reshape', [value, this.#builder.integers([0, 0, heads, headDim])])
    return this.#builder.node('Transpose', [split], { perm: { ints: [0, 2, 1, 3] } })
  }

  /** Pairs (i, i + headDim / 2) turned. */
  #rotate(value: string): string {
    const builder = this.#builder
    const half = this.#parts.graph.config.headDim / 2
    const [low = '', high = ''] = builder.split(value, builder.integers([half, half]), { axis: -1, count: 2 })
    const times = (one: string, other: string): string => builder.node('Mul', [one, other])
    return builder.node(
      'Concat',
      [
        builder.node('Sub', [times(low, this.#cosine), times(high, this.#sine)]),
        builder.node('Add', [times(high, this.#cosine), times(low, this.#sine)]),
      ],
      { axis: { int: -1 } },
    )
  }

  /** With those of earlier tokens in front, published. */
  #cached(past: typeof decoderNames.pastKey, value: string, { index }: BlockSpec): string {
    const present = past(index).replace('past_key_values', 'present')
    this.#builder.named('Concat', [past(index), value], [present], { attributes: { axis: { int: 2 } } })
    return present
  }

  /** 0 where a query sees a key, far below every score elsewhere. */
  #bias(window: number | null): string {
    const known = this.#biases.get(window)
    if (known !== undefined) return known
    const builder = this.#builder
    const { queries, keys } = this.#extents
    const isBefore = builder.node('LessOrEqual', [keys, queries])
    const isSeen = window === null ? isBefore : builder.node('And', [isBefore, this.#isWithin(window)])
    const isToken = builder.node('Unsqueeze', [
      builder.node('Cast', [decoderNames.attentionMask], { to: { int: 9 } }),
      builder.integers([1]),
    ])
    const chosen = builder.node('Where', [builder.node('And', [isSeen, isToken]), this.#scalar(0), this.#scalar(maskedScore)])
    const bias = builder.node('Unsqueeze', [chosen, builder.integers([1, 2])])
    this.#biases.set(window, bias)
    return bias
  }

  /** Keys among the last `window` up to the query's own. */
  #isWithin(window: number): string {
    const reach = this.#builder.constant(BigInt64Array.of(BigInt(window)), [])
    return this.#builder.node('Greater', [this.#extents.keys, this.#builder.node('Sub', [this.#extents.queries, reach])])
  }

  #mlp(value: string, block: BlockSpec): string {
    const gate = this.#linear(value, block, 'gate')
    const silu = this.#builder.node('Mul', [gate, this.#builder.node('Sigmoid', [gate])])
    return this.#linear(this.#named('Mul', [silu, this.#linear(value, block, 'up')], `layers.${block.index}.gated`), block, 'down')
  }

  #linear(value: string, block: BlockSpec, role: string): string {
    const spec = block.linears.find((linear) => linear.role === role)
    if (spec === undefined) throw new RangeError(`The block has no linear "${role}".`)
    const { weight, bias, inFeatures, outFeatures } = spec
    const label = `layers.${block.index}.${role}`
    const output = bias === null ? label : `${label}.product`
    const matrix = this.#parts.matrices.get(weight)
    if (matrix === undefined) this.#floats.product(value, weight, { rows: outFeatures, columns: inFeatures, output })
    else {
      const names = qdqNames(weight)
      const values = this.#builder.node('DequantizeLinear', [names.codes, names.scales], { axis: { int: 1 } })
      const input = matrix.inputScale === null ? value : this.#rounded8(value, matrix.inputScale)
      this.#named('MatMul', [input, values], output)
    }
    return bias === null ? output : this.#named('Add', [output, bias], label)
  }

  /** To 8 bits and back; linears of one input and scale share it. */
  #rounded8(value: string, scale: number): string {
    const key = `${value} ${scale}`
    const known = this.#rounded.get(key)
    if (known !== undefined) return known
    const constant = this.#scalar(scale)
    const codes = this.#builder.node('QuantizeLinear', [value, constant, this.#zeroCode])
    const back = this.#builder.node('DequantizeLinear', [codes, constant, this.#zeroCode])
    this.#rounded.set(key, back)
    return back
  }

  #named(op: string, inputs: readonly string[], output: string): string {
    this.#builder.named(op, inputs, [output])
    return output
  }

  #scalar(value: number): string {
    return this.#builder.constant(Float32Array.of(value), [])
  }
}

interface SequenceExtents {
  /** Positions in the cache of the new tokens, [length, 1], and of all, [total]. */
  readonly queries: string
  readonly keys: string
}

function sequenceExtents(builder: GraphBuilder): SequenceExtents {
  const index = builder.constant(BigInt64Array.of(1n), [])
  const zero = builder.constant(BigInt64Array.of(0n), [])
  const extent = (value: string): string => builder.node('Gather', [builder.node('Shape', [value]), index])
  const total = extent(decoderNames.attentionMask)
  const past = builder.node('Sub', [total, extent(decoderNames.inputIds)])
  const queries = builder.node('Range', [past, total, index])
  return { queries: builder.node('Unsqueeze', [queries, builder.integers([1])]), keys: builder.node('Range', [zero, total, index]) }
}
