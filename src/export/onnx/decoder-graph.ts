import { GraphBuilder } from '../../formats/onnx/builder.ts'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import type { BlockSpec, ModelGraph } from '../../models/model-graph.ts'
import { partNames } from './code-groups.ts'
import type { PlacedWeight } from './data-files.ts'
import { decoderNames, ropeNames } from './decoder-names.ts'
import { FloatProducts } from './float-products.ts'
import type { FloatType, PlannedMatrix } from './plan.ts'
import { type TextFirst, textFirst } from './text-first.ts'

export interface DecoderParts {
  readonly graph: ModelGraph
  readonly matrices: ReadonlyMap<string, PlannedMatrix>
  readonly weights: readonly PlacedWeight[]
  readonly floats: FloatType
}

/**
 * The decoder with keys and values of earlier tokens, in ONNX Runtime's own operators as onnxruntime-genai's builder wires them.
 * The mask tells lengths: one text, or several, each padded on its left or on its right.
 */
export function decoderGraph(parts: DecoderParts): OnnxGraph {
  const { graph, weights, floats } = parts
  const { config } = graph
  const builder = new GraphBuilder()
  builder.input(decoderNames.inputIds, 'int64', ['batch_size', 'sequence_length'])
  builder.input(decoderNames.attentionMask, 'int64', ['batch_size', 'total_sequence_length'])
  for (const { index } of graph.blocks) {
    for (const name of [decoderNames.pastKey(index), decoderNames.pastValue(index)]) {
      builder.input(name, floats, ['batch_size', config.kvHeads, 'past_sequence_length', config.headDim])
    }
  }
  for (const { tensor, place } of weights) {
    builder.initializer({ name: tensor.name, shape: tensor.shape, type: tensor.type, external: place })
  }
  new Decoder(builder, parts).build()
  return builder.build(graph.familyId)
}

class Decoder {
  readonly #builder: GraphBuilder
  readonly #parts: DecoderParts
  readonly #texts: TextFirst
  readonly #lengths: SequenceLengths
  /** Where heads are too narrow for the attention operator's own rotation: positions of the new tokens, [batch, length]. */
  readonly #positions: string | null
  readonly #floats: FloatProducts

  constructor(builder: GraphBuilder, parts: DecoderParts) {
    this.#builder = builder
    this.#parts = parts
    this.#texts = textFirst(builder)
    this.#lengths = sequenceLengths(builder)
    this.#floats = new FloatProducts(builder, decoderNames.inputIds)
    this.#positions = parts.graph.config.headDim % rotatedHeadUnit === 0 ? null : newPositions(builder, this.#texts, this.#lengths.counted)
  }

  build(): void {
    const { graph, floats } = this.#parts
    const { config, blocks, finalNorm } = graph
    const builder = this.#builder
    let residual = this.#embed()
    let branch: string | null = null
    for (const block of blocks) {
      const attentionIn = this.#norm(residual, branch, block.norms['attnIn']?.name ?? '', `layers.${block.index}.input`)
      residual = attentionIn.sum
      const attended = this.#attend(attentionIn.normed, block)
      const mlpIn = this.#norm(residual, attended, block.norms['mlpIn']?.name ?? '', `layers.${block.index}.mlp_input`)
      residual = mlpIn.sum
      branch = this.#mlp(mlpIn.normed, block)
    }
    const { normed } = this.#norm(residual, branch, finalNorm.name, 'final')
    const head = graph.head?.name ?? graph.embedding.name
    const logits = this.#matrix(this.#texts.restore(normed, config.hidden), head, floats === 'float' ? decoderNames.logits : 'logits_half')
    if (floats !== 'float') builder.named('Cast', [logits], [decoderNames.logits], { attributes: { to: { int: 1 } } })
    builder.publish({ name: decoderNames.logits, type: 'float', shape: ['batch_size', 'sequence_length', config.vocab] })
    const cache = ['batch_size', config.kvHeads, 'total_sequence_length', config.headDim]
    for (const { index } of blocks) {
      for (const name of [decoderNames.presentKey(index), decoderNames.presentValue(index)])
        builder.publish({ name, type: floats, shape: cache })
    }
  }

  #embed(): string {
    const builder = this.#builder
    const { graph, matrices } = this.#parts
    const { name, shape } = graph.embedding
    const planned = matrices.get(name)
    if (planned?.form !== 'nbits') return this.#named('Gather', [name, this.#texts.ids], 'embedding')
    const { bits, block, zero } = planned.setting
    const names = partNames(name)
    const [vocab = 0, width = 0] = shape
    // The head shares the bytes, and has them in blocks.
    const codes = graph.head === null ? builder.node('Reshape', [names.codes, builder.integers([vocab, (width * bits) / 8])]) : names.codes
    const inputs = [codes, this.#texts.ids, names.scales, ...(zero === 'codes' ? [names.zeros] : [])]
    builder.named('GatherBlockQuantized', inputs, ['embedding'], {
      domain,
      attributes: { bits: { int: bits }, block_size: { int: block }, gather_axis: { int: 0 }, quantize_axis: { int: 1 } },
    })
    return 'embedding'
  }

  /** x / rms(x) * gain of `residual`, or of its sum with `branch`. */
  #norm(residual: string, branch: string | null, gain: string, label: string): { readonly normed: string; readonly sum: string } {
    const { normEps } = this.#parts.graph.config
    const normed = `${label}.normed`
    if (branch === null) {
      const attributes = { axis: { int: -1 }, epsilon: { float: normEps }, stash_type: { int: 1 } }
      this.#builder.named('SimplifiedLayerNormalization', [residual, gain], [normed], { attributes })
      return { normed, sum: residual }
    }
    const sum = `${label}.sum`
    const attributes = { epsilon: { float: normEps } }
    this.#builder.named('SkipSimplifiedLayerNormalization', [residual, branch, gain], [normed, '', '', sum], { domain, attributes })
    return { normed, sum }
  }

  #attend(value: string, block: BlockSpec): string {
    const { index, window } = block
    const { heads, kvHeads, headDim } = this.#parts.graph.config
    const q = this.#rotated(this.#linear(value, block, 'q'), heads, `layers.${index}.q_rotated`)
    const k = this.#rotated(this.#linear(value, block, 'k'), kvHeads, `layers.${index}.k_rotated`)
    const past = [decoderNames.pastKey(index), decoderNames.pastValue(index)]
    const tables = this.#positions === null ? [ropeNames.cosine, ropeNames.sine] : []
    const output = `layers.${index}.attention`
    this.#builder.named(
      'GroupQueryAttention',
      [q, k, this.#linear(value, block, 'v'), ...past, this.#lengths.keys, this.#lengths.total, ...tables],
      [output, decoderNames.presentKey(index), decoderNames.presentValue(index)],
      {
        domain,
        attributes: {
          num_heads: { int: heads },
          kv_num_heads: { int: kvHeads },
          do_rotary: { int: this.#positions === null ? 1 : 0 },
          rotary_interleaved: { int: 0 },
          scale: { float: 1 / Math.sqrt(headDim) },
          local_window_size: { int: window ?? -1 },
        },
      },
    )
    return this.#linear(output, block, 'o')
  }

  #rotated(value: string, heads: number, label: string): string {
    if (this.#positions === null) return value
    this.#builder.named('RotaryEmbedding', [value, this.#positions, ropeNames.cosine, ropeNames.sine], [label], {
      domain,
      attributes: { num_heads: { int: heads }, interleaved: { int: 0 } },
    })
    return label
  }

  #mlp(value: string, block: BlockSpec): string {
    const gate = this.#linear(value, block, 'gate')
    const up = this.#linear(value, block, 'up')
    const label = `layers.${block.index}`
    const sigmoid = this.#named('Sigmoid', [gate], `${label}.gate_sigmoid`)
    const silu = this.#named('Mul', [gate, sigmoid], `${label}.gate_silu`)
    return this.#linear(this.#named('Mul', [silu, up], `${label}.gated`), block, 'down')
  }

  #linear(value: string, block: BlockSpec, role: string): string {
    const spec = block.linears.find((linear) => linear.role === role)
    if (spec === undefined) throw new RangeError(`The block has no linear "${role}".`)
    const label = `layers.${block.index}.${role}`
    if (spec.bias === null) return this.#matrix(value, spec.weight, label)
    return this.#named('Add', [this.#matrix(value, spec.weight, `${label}.product`), spec.bias], label)
  }

  /** value W^T, [batch, length, rows of W]. */
  #matrix(value: string, weight: string, output: string): string {
    const builder = this.#builder
    const planned = this.#parts.matrices.get(weight)
    if (planned === undefined) throw new RangeError(`${weight} is not planned`)
    const { rows, columns } = planned
    const names = partNames(weight)
    const sizes = { K: { int: columns }, N: { int: rows } }
    switch (planned.form) {
      case 'float':
        return this.#floats.product(value, weight, { rows, columns, output })
      case 'nbits': {
        const { bits, block, zero } = planned.setting
        const inputs = [value, names.codes, names.scales, ...(zero === 'default' ? [] : [names.zeros])]
        builder.named('MatMulNBits', inputs, [output], {
          domain,
          attributes: { ...sizes, bits: { int: bits }, block_size: { int: block } },
        })
        return output
      }
      case 'bnb4': {
        const attributes = { ...sizes, block_size: { int: planned.block }, quant_type: { int: planned.book === 'nf4' ? 1 : 0 } }
        builder.named('MatMulBnb4', [value, names.codes, names.absmax], [output], { domain, attributes })
        return output
      }
    }
  }

  #named(op: string, inputs: readonly string[], output: string): string {
    this.#builder.named(op, inputs, [output])
    return output
  }
}

const domain = 'com.microsoft'

/** The attention operator rotates heads whose width is a multiple of it. */
const rotatedHeadUnit = 16

interface SequenceLengths {
  /** Tokens that the mask counts, int64 [batch, 1]. */
  readonly counted: string
  /** `seqlens_k`, the last position that counts, int32 [batch]. */
  readonly keys: string
  /** `total_sequence_length`, an int32 scalar. */
  readonly total: string
}

function sequenceLengths(builder: GraphBuilder): SequenceLengths {
  const toInt32 = { to: { int: 6 } }
  const one = builder.constant(BigInt64Array.of(1n), [])
  const counted = builder.node('ReduceSum', [decoderNames.attentionMask, builder.integers([1])], { keepdims: { int: 1 } })
  const last = builder.node('Squeeze', [builder.node('Sub', [counted, one]), builder.integers([1])])
  const total = builder.node('Gather', [builder.node('Shape', [decoderNames.attentionMask]), one], { axis: { int: 0 } })
  return { counted, keys: builder.node('Cast', [last], toInt32), total: builder.node('Cast', [total], toInt32) }
}

/** Positions of the new tokens, [batch, length]: those that follow what the cache holds of each text, as the operator counts them. */
function newPositions(builder: GraphBuilder, { columns, length }: TextFirst, counted: string): string {
  const zero = builder.constant(BigInt64Array.of(0n), [])
  return builder.node('Add', [builder.node('Max', [builder.node('Sub', [counted, length]), zero]), columns])
}
