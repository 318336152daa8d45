import { deviceById } from '../../devices/device.ts'
import type { OptionField } from '../../formats/tflite/schema.ts'
import type { BlockSpec, LinearSpec, ModelConfig } from '../../models/model-graph.ts'
import { int8Run } from '../int8-codes.ts'
import type { ExportFacts } from '../target.ts'
import { type BuiltGraph, TfliteGraphBuilder } from './graph-builder.ts'
import { ropeTables } from './rope-tables.ts'

/** What a tensor of the mask adds to scores of later tokens; its exponential is 0 in f32. */
const never = -1e9

/** Tokens that one call of the graph reads; shapes are fixed, since TensorFlow Lite Micro knows no others. */
const longestGraph = 128
/** The same for a microcontroller: the arena grows with the tokens, attention with their square. */
const longestMicroGraph = 32

export function graphTokens({ checkpoint, options }: Pick<ExportFacts, 'checkpoint' | 'options'>): number {
  const isMicro = deviceById(options.device)?.group === 'microcontroller'
  return Math.min(checkpoint.graph.config.maxPositions, isMicro ? longestMicroGraph : longestGraph)
}

/**
 * The decoder over `graphTokens` tokens at once: ids INT32 [tokens] to logits FLOAT32 [tokens, vocabulary]. Attention is causal,
 * so a shorter text is followed by any ids and its logits are at its own places.
 *
 * Weights are whole numbers of 8 bits. A linear with one scale a row multiplies by the numbers themselves (DEQUANTIZE with a
 * step of 1) and scales its outputs: TensorFlow Lite Micro's DEQUANTIZE knows one scale a tensor, so this form is exact in
 * both runtimes. Groups are scaled before the product. Activations are floats, but for linears whose inputs and outputs the recipe
 * has in 8 bits with one scale each: those are whole numbers throughout, for which microcontrollers have fast kernels.
 */
export function decoderGraph(facts: ExportFacts): BuiltGraph {
  return new Decoder(facts).build()
}

class Decoder {
  readonly #facts: ExportFacts
  readonly #config: ModelConfig
  readonly #tokens: number
  readonly #graph = new TfliteGraphBuilder()
  readonly #mask: number
  /** Inputs in 8 bits by input and scale, and back in floats by their codes: linears of one input share them. */
  readonly #codes = new Map<string, number>()
  readonly #floats = new Map<number, number>()
  readonly #rotations: { readonly q: Rotation; readonly k: Rotation }

  constructor(facts: ExportFacts) {
    this.#facts = facts
    this.#config = facts.graph.config
    this.#tokens = graphTokens(facts)
    const tokens = this.#tokens
    this.#mask = this.#graph.floats(
      [1, tokens, tokens],
      Float32Array.from({ length: tokens * tokens }, (_, at) => (at % tokens > Math.floor(at / tokens) ? never : 0)),
    )
    // The scores' 1 / sqrt(headDim) is part of the query's rotation.
    this.#rotations = { q: this.#rotation(1 / Math.sqrt(this.#config.headDim)), k: this.#rotation(1) }
  }

  build(): BuiltGraph {
    const { graph, name } = this.#facts.checkpoint
    const ids = this.#graph.input('ids', [this.#tokens], 'INT32')
    let hidden = this.#embedded(ids)
    for (const block of graph.blocks) hidden = this.#block(block, hidden)
    const last = this.#norm(hidden, graph.finalNorm.name)
    const { vocab, hidden: width } = this.#config
    const logits = this.#product(last, { weight: (graph.head ?? graph.embedding).name, rows: vocab, columns: width })
    return this.#graph.build(`${name}, ${this.#facts.recipe.id}`, [logits])
  }

  #rotation(gain: number): Rotation {
    const { cosines, signedSines } = ropeTables(this.#config, this.#tokens, gain)
    const shape = [this.#tokens, 1, this.#config.headDim]
    return { cosines: this.#graph.floats(shape, cosines), signedSines: this.#graph.floats(shape, signedSines) }
  }

  #block(block: BlockSpec, hidden: number): number {
    const linear = (role: string, input: number): number => {
      const spec = block.linears.find((each) => each.role === role)
      if (spec === undefined) throw new RangeError(`block ${block.index} has no ${role}`)
      return this.#linear(input, spec)
    }
    const norm = (role: string, input: number): number => this.#norm(input, block.norms[role]?.name ?? role)
    const g = this.#graph
    const before = norm('attnIn', hidden)
    const seen = this.#attention(linear('q', before), linear('k', before), linear('v', before))
    const attended = g.elementwise('ADD', hidden, linear('o', seen))
    const inner = norm('mlpIn', attended)
    const gate = linear('gate', inner)
    const active = g.elementwise('MUL', gate, g.operator('LOGISTIC', [gate], g.shapeOf(gate)))
    return g.elementwise('ADD', attended, linear('down', g.elementwise('MUL', active, linear('up', inner))))
  }

  /** Heads of one key stand next to each other, so their queries are rows of one product. */
  #attention(query: number, key: number, value: number): number {
    const { heads, kvHeads, headDim } = this.#config
    const g = this.#graph
    const tokens = this.#tokens
    const split = (tensor: number, count: number): number => g.reshape(tensor, [tokens, count, headDim])
    const byHead = (tensor: number): number => g.transpose(tensor, [1, 0, 2])
    const rows = (heads / kvHeads) * tokens
    const q = g.reshape(byHead(this.#turn(split(query, heads), this.#rotations.q)), [kvHeads, rows, headDim])
    const k = byHead(this.#turn(split(key, kvHeads), this.#rotations.k))
    const v = byHead(split(value, kvHeads))
    const transposed: OptionField[] = [{ id: 1, type: 'i8', value: 1 }]
    const scores = g.operator('BATCH_MATMUL', [q, k], [kvHeads, rows, tokens], { options: transposed })
    const masked = g.elementwise('ADD', g.reshape(scores, [heads, tokens, tokens]), this.#mask)
    const beta: OptionField[] = [{ id: 0, type: 'f32', value: 1 }]
    const shares = g.operator('SOFTMAX', [masked], [heads, tokens, tokens], { options: beta })
    const mixed = g.operator('BATCH_MATMUL', [g.reshape(shares, [kvHeads, rows, tokens]), v], [kvHeads, rows, headDim])
    const ordered = g.transpose(g.reshape(mixed, [heads, tokens, headDim]), [1, 0, 2])
    return g.reshape(ordered, [tokens, heads * headDim])
  }

  #turn(tensor: number, { cosines, signedSines }: Rotation): number {
    const g = this.#graph
    const shape = g.shapeOf(tensor)
    const [first, second] = g.halves(tensor)
    const axis: OptionField[] = [{ id: 0, type: 'i32', value: shape.length - 1 }]
    const swapped = g.operator('CONCATENATION', [second, first], shape, { options: axis })
    return g.elementwise('ADD', g.elementwise('MUL', tensor, cosines), g.elementwise('MUL', swapped, signedSines))
  }

  /** x / sqrt(mean(x^2) + eps) * gain. */
  #norm(input: number, gain: string): number {
    const g = this.#graph
    const { hidden, normEps } = this.#config
    const keeps: OptionField[] = [{ id: 0, type: 'i8', value: 1 }]
    const mean = g.operator('MEAN', [g.elementwise('MUL', input, input), g.integers([1])], [this.#tokens, 1], { options: keeps })
    const shifted = g.elementwise('ADD', mean, g.floats([1], Float32Array.of(normEps)))
    const scaled = g.elementwise('MUL', input, g.operator('RSQRT', [shifted], [this.#tokens, 1]))
    return g.elementwise('MUL', scaled, g.constant([hidden], 'FLOAT32', { kind: 'float', name: gain }))
  }

  /** Inputs and outputs are rounded where the recipe found static scales, as the run that is reported did. */
  #linear(input: number, { weight, bias, outFeatures: rows, inFeatures: columns }: LinearSpec): number {
    const g = this.#graph
    const mode = this.#facts.inputModes.get(weight)
    if (mode?.kind !== 'int8-tensor') return this.#biased(this.#product(input, { weight, rows, columns }), bias)
    const codes = this.#codesOf(input, mode.scale)
    if (mode.outputScale === undefined) return this.#biased(this.#product(this.#floatsOf(codes), { weight, rows, columns }), bias)
    const offset = bias === null ? -1 : g.constant([rows], 'INT32', { kind: 'bias', name: bias, weight, inputScale: mode.scale })
    const output = { type: 'INT8', scale: mode.outputScale } as const
    return this.#floatsOf(
      g.operator('FULLY_CONNECTED_INT8', [codes, g.rowCodes(weight, rows, columns), offset], [this.#tokens, rows], output),
    )
  }

  #biased(product: number, bias: string | null): number {
    if (bias === null) return product
    const shape = this.#graph.shapeOf(product).slice(-1)
    return this.#graph.elementwise('ADD', product, this.#graph.constant(shape, 'FLOAT32', { kind: 'float', name: bias }))
  }

  #codesOf(input: number, scale: number): number {
    const key = `${input} ${scale}`
    const g = this.#graph
    const codes = this.#codes.get(key) ?? g.operator('QUANTIZE', [input], g.shapeOf(input), { type: 'INT8', scale })
    this.#codes.set(key, codes)
    return codes
  }

  #floatsOf(codes: number): number {
    const floats = this.#floats.get(codes) ?? this.#graph.operator('DEQUANTIZE', [codes], this.#graph.shapeOf(codes))
    this.#floats.set(codes, floats)
    return floats
  }

  #product(input: number, matrix: MatrixPlace): number {
    const g = this.#graph
    const shape = [this.#tokens, matrix.rows]
    const run = this.#run(matrix)
    const multiply = (weight: number): number => g.operator('FULLY_CONNECTED', [input, weight, -1], shape)
    const { weight: name, rows, columns } = matrix
    if (run === null) return multiply(g.constant([rows, columns], 'FLOAT32', { kind: 'float', name }))
    const numbers = g.operator('DEQUANTIZE', [g.constant([rows, columns], 'INT8', { kind: 'codes', name }, 1)], [rows, columns])
    if (run === columns) return g.elementwise('MUL', multiply(numbers), g.constant([rows], 'FLOAT32', { kind: 'scales', name }))
    return multiply(this.#scaled(numbers, g.constant([rows, columns / run, 1], 'FLOAT32', { kind: 'scales', name }), run))
  }

  #embedded(ids: number): number {
    const g = this.#graph
    const { vocab: rows, hidden: columns } = this.#config
    const { name } = this.#facts.graph.embedding
    const run = this.#run({ weight: name, rows, columns })
    if (run === null)
      return g.operator('GATHER', [g.constant([rows, columns], 'FLOAT32', { kind: 'float', name }), ids], [this.#tokens, columns])
    const table = g.constant([rows, columns], 'INT8', { kind: 'codes', name }, 1)
    const codes = g.operator('GATHER', [table, ids], [this.#tokens, columns], { type: 'INT8', scale: 1 })
    const numbers = g.operator('DEQUANTIZE', [codes], [this.#tokens, columns])
    const runs = columns / run
    const scales = g.constant([rows, runs], 'FLOAT32', { kind: 'scales', name })
    const own = g.operator('GATHER', [scales, ids], [this.#tokens, runs])
    return runs === 1 ? g.elementwise('MUL', numbers, own) : this.#scaled(numbers, g.reshape(own, [this.#tokens, runs, 1]), run)
  }

  /** Each run of columns by its own scale; scales are [rows, runs, 1]. */
  #scaled(numbers: number, scales: number, run: number): number {
    const g = this.#graph
    const [rows = 0, columns = 0] = g.shapeOf(numbers)
    return g.reshape(g.elementwise('MUL', g.reshape(numbers, [rows, columns / run, run]), scales), [rows, columns])
  }

  /** Columns that share a scale; `null` for a matrix that stays float. */
  #run({ weight, columns }: MatrixPlace): number | null {
    const encoding = this.#facts.encodings.get(weight)
    return encoding === undefined ? null : int8Run(encoding, columns)
  }
}

interface Rotation {
  readonly cosines: number
  readonly signedSines: number
}

interface MatrixPlace {
  readonly weight: string
  readonly rows: number
  readonly columns: number
}
