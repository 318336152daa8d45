import type { InferenceSession, Tensor } from 'onnxruntime-web'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import { isRequantized, type RuntimeRounding } from '../../kernels/contract/activations.ts'
import { type BlockHalf, halfOf } from '../../models/block-halves.ts'
import type { BlockSpec, ModelGraph } from '../../models/model-graph.ts'
import { ropeTables } from '../../models/rope-tables.ts'
import type { Activations, BlockCache, BlockTaps, BlockWeights, LoadedBlock, LoadedHalf, LoadedHeadTile, ModelRunner } from '../engine.ts'
import { type BlockActivationModes, inputScale, modesKey } from '../graphs/activations.ts'
import { type BlockVariant, blockGraph, blockInputs, blockOutputs } from '../graphs/block.ts'
import { headGraph, headInputs, headOutput } from '../graphs/head.ts'
import { requantizeInputs, requantizer, rowScales } from '../graphs/requantize.ts'
import { attentionParts, partLengths } from '../memory.ts'
import type { Feeds, OnnxSessions, ResidentTensor } from './sessions.ts'

interface OnnxBlockCache extends BlockCache {
  readonly keys: Tensor
  readonly values: Tensor
}

/** A block as it is fed to every run. */
interface Loaded {
  readonly feeds: Feeds
  readonly modes: BlockActivationModes
}

const floatInputs: RuntimeRounding = { kind: 'none' }

const headSession = (mode: RuntimeRounding): string => `head ${modesKey({ head: mode })}`

type Resident = Readonly<Record<string, ResidentTensor>>

/** Runs one model: a session for each variant of its block and one for the head. */
export class OnnxModelRunner implements ModelRunner {
  readonly #graph: ModelGraph
  readonly #block: BlockSpec
  readonly #sessions: OnnxSessions
  #rope: { readonly positions: number; readonly cosine: Tensor; readonly sine: Tensor } | null = null

  constructor(graph: ModelGraph, sessions: OnnxSessions) {
    const [block] = graph.blocks
    if (block === undefined) throw new RangeError('The model has no blocks.')
    this.#graph = graph
    this.#block = block
    this.#sessions = sessions
  }

  /** Makes the head's session, so that a backend that cannot start says so now. */
  async prepare(): Promise<void> {
    await this.#sessions.prepare(headSession(floatInputs), () => this.#headGraph(floatInputs))
  }

  async loadBlock(weights: BlockWeights, modes: BlockActivationModes = {}): Promise<LoadedBlock> {
    const scales = this.#scalesOf(modes, weights)
    const resident = await this.#makeResident(blockShapes(this.#block), weights)
    const loaded = { feeds: { ...tensorsOf(resident), ...scales }, modes }
    return {
      run: (input, { taps = false, ranges = false } = {}) => this.#runBlock(loaded, input, ranges ? 'ranges' : taps ? 'taps' : 'plain'),
      step: (input, cache) => this.#stepBlock(loaded, input, cache as OnnxBlockCache | null),
      release: () => releaseAll(resident),
    }
  }

  async loadHalf(half: BlockHalf, weights: BlockWeights): Promise<LoadedHalf> {
    const resident = await this.#makeResident(new Map([...blockShapes(this.#block)].filter(([role]) => halfOf(role) === half)), weights)
    const loaded = { feeds: tensorsOf(resident), modes: {} }
    return {
      run: async (input) => {
        const parts = attentionParts(input.length)
        const inputs = half === 'attention' ? this.#inputsOf(input, 0, parts) : { [blockInputs.hidden]: this.#hiddenOf(input) }
        return floatsOf(await this.#runVariant({ variant: half, parts }, loaded, inputs), blockOutputs.hidden)
      },
      release: () => releaseAll(resident),
    }
  }

  async loadHeadTile(
    finalNorm: Float32Array<ArrayBuffer>,
    headRows: Float32Array<ArrayBuffer>,
    mode: RuntimeRounding = floatInputs,
  ): Promise<LoadedHeadTile> {
    const { hidden } = this.#graph.config
    const width = headRows.length / hidden
    const shapes = new Map<string, readonly number[]>([
      [headInputs.finalNorm, [hidden]],
      [headInputs.rows, [width, hidden]],
    ])
    const resident = await this.#makeResident(shapes, { [headInputs.finalNorm]: finalNorm, [headInputs.rows]: headRows })
    const feeds = tensorsOf(resident)
    return {
      width,
      run: async (rows, tokens) => {
        const input = { [headInputs.hidden]: this.#sessions.floats(rows, [tokens, hidden]) }
        return floatsOf(await this.#sessions.run(headSession(mode), () => this.#headGraph(mode), { ...feeds, ...input }), headOutput)
      },
      release: () => releaseAll(resident),
    }
  }

  async close(): Promise<void> {
    await this.#sessions.close()
  }

  async #runBlock(
    loaded: Loaded,
    input: Activations,
    variant: 'plain' | 'taps' | 'ranges',
  ): Promise<{ readonly output: Activations } & BlockTaps> {
    const parts = attentionParts(input.length)
    const results = await this.#runVariant({ variant, parts }, loaded, this.#inputsOf(input, 0, parts))
    const output = { ...input, data: floatsOf(results, blockOutputs.hidden) }
    if (variant === 'plain') return { output }
    const { linears } = this.#block
    const names = new Set(linears.map(({ tap }) => tap))
    const taps = Object.fromEntries([...names].map((tap) => [tap, floatsOf(results, blockOutputs.tap(tap))]))
    if (variant === 'taps') return { output, taps }
    return { output, taps, ranges: Object.fromEntries(linears.map(({ role }) => [role, floatsOf(results, blockOutputs.range(role))])) }
  }

  async #stepBlock(
    loaded: Loaded,
    input: Activations,
    cache: OnnxBlockCache | null,
  ): Promise<{ readonly output: Activations; readonly cache: OnnxBlockCache }> {
    const past = cache?.length ?? 0
    const parts = attentionParts(input.length)
    const earlier = cache === null ? {} : { [blockInputs.pastKeys]: cache.keys, [blockInputs.pastValues]: cache.values }
    const feeds = { ...this.#inputsOf(input, past, parts), ...earlier }
    const results = await this.#runVariant({ variant: cache === null ? 'start' : 'step', parts }, loaded, feeds)
    const output = { ...input, data: floatsOf(results, blockOutputs.hidden) }
    const keys = tensorOf(results, blockOutputs.keys)
    const values = tensorOf(results, blockOutputs.values)
    return { output, cache: { length: past + input.length, keys, values } }
  }

  #runVariant(
    { variant, parts }: { readonly variant: BlockVariant; readonly parts: number },
    { feeds, modes }: Loaded,
    inputs: Feeds,
  ): Promise<InferenceSession.OnnxValueMapType> {
    const { hasDoubles } = this.#sessions
    const graph = (): OnnxGraph => blockGraph(this.#graph.config, this.#block, { variant, parts, modes, hasDoubles })
    return this.#sessions.run(`${variant} in ${String(parts)} ${modesKey(modes)}`, graph, { ...feeds, ...inputs })
  }

  #headGraph(mode: RuntimeRounding): OnnxGraph {
    return headGraph(this.#graph.config, { mode, hasDoubles: this.#sessions.hasDoubles })
  }

  #scalesOf(modes: BlockActivationModes, weights: BlockWeights): Feeds {
    const scales: Record<string, Tensor> = {}
    for (const [role, mode] of Object.entries(modes)) {
      if (mode.kind !== 'int8-tensor') continue
      scales[inputScale(role)] = this.#scale(mode.scale, `input scale of "${role}"`)
      if (!isRequantized(mode)) continue
      const names = requantizeInputs(role)
      scales[names.scale] = this.#scale(mode.outputScale, `output scale of "${role}"`)
      const rows = this.#block.linears.find((linear) => linear.role === role)?.outFeatures ?? 0
      const { step, factor, power } = requantizer(mode, weights[rowScales(role)], rows)
      scales[names.step] = this.#sessions.floats(step, [rows])
      scales[names.factor] = this.#sessions.floats(factor, [rows])
      scales[names.power] = this.#sessions.floats(power, [rows])
    }
    return scales
  }

  #scale(value: number, what: string): Tensor {
    if (!(value > 0 && value < Infinity)) throw new RangeError(`The ${what} is ${String(value)}.`)
    return this.#sessions.floats(Float32Array.of(value), [1])
  }

  /** Everything a block takes that is not a weight. */
  #inputsOf(input: Activations, past: number, parts: number): Feeds {
    const sessions = this.#sessions
    const { length } = input
    const total = past + length
    const positions = Float32Array.from({ length: total }, (_, position) => position)
    const lengths = partLengths(length, parts)
    const ends: Record<string, Tensor> = {}
    let end = past
    for (const [part, count] of lengths.entries()) {
      end += count
      ends[blockInputs.partEnd(part)] = sessions.integers([end])
    }
    const { cosine, sine } = this.#ropeFor(total)
    return {
      [blockInputs.hidden]: this.#hiddenOf(input),
      [blockInputs.cosine]: cosine,
      [blockInputs.sine]: sine,
      [blockInputs.offset]: sessions.integers([past]),
      [blockInputs.queryPositions]: sessions.floats(positions.slice(past), [length, 1]),
      [blockInputs.keyPositions]: sessions.floats(positions, [1, total]),
      [blockInputs.partLengths]: sessions.integers(lengths),
      ...ends,
    }
  }

  #hiddenOf({ data, batch, length, width }: Activations): Tensor {
    return this.#sessions.floats(data, [batch, length, width])
  }

  /** Grown by doubling, so that generation does not make a table a token. */
  #ropeFor(total: number): { readonly cosine: Tensor; readonly sine: Tensor } {
    if (this.#rope === null || this.#rope.positions < total) {
      const { config } = this.#graph
      const positions = 2 ** Math.ceil(Math.log2(Math.max(total, 64)))
      const tables = ropeTables(config, positions)
      const shape = [positions, config.headDim / 2]
      this.#rope = { positions, cosine: this.#sessions.floats(tables.cosine, shape), sine: this.#sessions.floats(tables.sine, shape) }
    }
    return this.#rope
  }

  /** All or none: what was uploaded before a refusal is freed. */
  async #makeResident(shapes: ReadonlyMap<string, readonly number[]>, weights: BlockWeights): Promise<Resident> {
    const resident: Record<string, ResidentTensor> = {}
    try {
      for (const [role, shape] of shapes) resident[role] = await this.#sessions.resident(checkedWeight(weights, role, shape), shape)
    } catch (cause) {
      await releaseAll(resident)
      throw cause
    }
    return resident
  }
}

function blockShapes(block: BlockSpec): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  for (const { role, bias, outFeatures, inFeatures } of block.linears) {
    shapes.set(role, [outFeatures, inFeatures])
    if (bias !== null) shapes.set(`${role}.bias`, [outFeatures])
  }
  for (const [role, norm] of Object.entries(block.norms)) shapes.set(role, norm.shape)
  return shapes
}

/** A wrong weight is a fault of the caller, caught here because a graphics buffer of the wrong size would be read as it is. */
function checkedWeight(weights: BlockWeights, role: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const data = weights[role]
  const count = shape.reduce((product, size) => product * size, 1)
  if (data === undefined) throw new RangeError(`The weight "${role}" was not given.`)
  if (data.length !== count)
    throw new RangeError(`The weight "${role}" has ${String(data.length)} values; its shape asks for ${String(count)}.`)
  return data
}

function tensorsOf(resident: Resident): Feeds {
  return Object.fromEntries(Object.entries(resident).map(([name, { tensor }]) => [name, tensor]))
}

function releaseAll(resident: Resident): Promise<void> {
  for (const { release } of Object.values(resident)) release()
  return Promise.resolve()
}

function tensorOf(results: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = results[name]
  if (value === undefined) throw new RangeError(`ONNX Runtime returned no "${name}".`)
  return value
}

function floatsOf(results: InferenceSession.OnnxValueMapType, name: string): Float32Array<ArrayBuffer> {
  return tensorOf(results, name).data as Float32Array<ArrayBuffer>
}
