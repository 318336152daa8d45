import type { GraphBuilder } from '../../formats/onnx/builder.ts'
import { type ActivationMode, bitsandbytesShare, int8Levels, isRequantized } from '../../kernels/contract/activations.ts'
import { requantized } from './requantize.ts'

/** How the input of each linear is rounded, and its output where that is asked for, by its role; linears that are not named take floats. */
export type BlockActivationModes = Readonly<Record<string, ActivationMode>>

/** Graph input with the scale of a linear in mode `int8-tensor`, float [1]. */
export const inputScale = (role: string): string => `${role}.inputScale`

/** Modes as far as they shape a graph: graphs of one key are the same. Scales are graph inputs. */
export function modesKey(modes: BlockActivationModes): string {
  return Object.entries(modes)
    .filter(([, mode]) => mode.kind !== 'none')
    .map(([role, mode]) => `${role}:${modeKey(mode)}`)
    .sort()
    .join(' ')
}

function modeKey(mode: ActivationMode): string {
  if (mode.kind !== 'int8-tensor') return JSON.stringify(mode)
  return isRequantized(mode) ? `${mode.kind} and output` : mode.kind
}

/** Rounds inputs and outputs of linears; several of one input and mode share the work. */
export class LinearRounding {
  readonly #builder: GraphBuilder
  readonly #modes: BlockActivationModes
  readonly #made = new Map<string, string>()

  constructor(builder: GraphBuilder, modes: BlockActivationModes) {
    this.#builder = builder
    this.#modes = modes
  }

  /** The input of a linear, [tokens, width]. Throws where blocks do not divide the row. */
  input(value: string, role: string, width: number): string {
    const mode = this.#modes[role] ?? { kind: 'none' }
    if (mode.kind === 'none') return value
    if (mode.kind === 'int8-tensor') return this.#byTensor(value, role)
    const key = `${value} ${modeKey(mode)}`
    const made = this.#made.get(key) ?? this.#alone(value, mode, width)
    this.#made.set(key, made)
    return made
  }

  /** The output of a linear, [tokens, rows]. */
  output(value: string, role: string, rows: number): string {
    return isRequantized(this.#modes[role]) ? requantized(this.#builder, value, role, rows) : value
  }

  /** By modes that take nothing beside the input. */
  #alone(value: string, mode: Exclude<ActivationMode, { readonly kind: 'none' | 'int8-tensor' }>, width: number): string {
    switch (mode.kind) {
      case 'int8-rows':
        return this.#byRow(value, mode.outlierThreshold)
      case 'int8-blocks':
        return this.#byBlock(value, mode, width)
      case 'half':
        return this.#toHalf(value)
    }
  }

  #byTensor(value: string, role: string): string {
    const builder = this.#builder
    const scale = builder.input(inputScale(role), 'float', [1])
    const steps = builder.node('Round', [builder.node('Div', [value, scale])])
    return builder.node('Mul', [builder.node('Clip', [steps, this.#scalar(-int8Levels - 1), this.#scalar(int8Levels)]), scale])
  }

  #byRow(value: string, outlierThreshold: number | null): string {
    if (outlierThreshold !== null) return this.#asBitsandbytes(value, outlierThreshold)
    const largest = this.#largest(this.#builder.node('Abs', [value]))
    return this.#inSteps(value, this.#stepsIn(largest), this.#stepOf(largest))
  }

  #byBlock(value: string, { columns, scale }: Extract<ActivationMode, { readonly kind: 'int8-blocks' }>, width: number): string {
    if (width % columns !== 0) throw new RangeError(`Blocks of ${String(columns)} do not divide rows of ${String(width)}.`)
    const builder = this.#builder
    const blocks = builder.node('Reshape', [value, builder.integers([-1, columns])])
    const largest = this.#largest(builder.node('Abs', [blocks]))
    const step = this.#stepOf(largest)
    const rounded = this.#inSteps(blocks, this.#stepsIn(largest), scale === 'half' ? this.#toHalf(step) : step)
    return builder.node('Reshape', [rounded, builder.integers([-1, width])])
  }

  #asBitsandbytes(value: string, outlierThreshold: number): string {
    const builder = this.#builder
    const half = this.#toHalf(value)
    const magnitude = builder.node('Abs', [half])
    const threshold = this.#scalar(outlierThreshold)
    const isOutlier = builder.node('GreaterOrEqual', [magnitude, threshold])
    const largest = this.#largest(builder.node('Where', [isOutlier, this.#scalar(0), magnitude]))
    // Torch divides a number by a tensor so, and quotients of halves do lie on the edge between two codes.
    const factor = builder.node('Mul', [builder.node('Reciprocal', [this.#aboveZero(largest)]), this.#scalar(int8Levels)])
    const rounded = this.#inSteps(half, factor, builder.node('Mul', [largest, this.#scalar(bitsandbytesShare)]))
    const ofColumn = builder.node('ReduceMax', [magnitude, builder.integers([0])], { keepdims: { int: 1 } })
    return builder.node('Where', [builder.node('GreaterOrEqual', [ofColumn, threshold]), value, rounded])
  }

  /**
   * In f32 alone, since not every graphics device has f16: steps of 2^-10 of the power of two below a value, 2^-24 at least. Where
   * the logarithm of a value beside a power of two errs by one, both steps round to that power.
   */
  #toHalf(value: string): string {
    const builder = this.#builder
    const magnitude = builder.node('Max', [builder.node('Abs', [value]), this.#scalar(justAboveSubnormal)])
    const power = builder.node('Floor', [builder.node('Mul', [builder.node('Log', [magnitude]), this.#scalar(1 / Math.LN2)])])
    const step = builder.node('Pow', [this.#scalar(2), builder.node('Sub', [power, this.#scalar(10)])])
    return builder.node('Mul', [builder.node('Round', [builder.node('Div', [value, step])]), step])
  }

  /** `factor` is 1 / step by the arithmetic of whoever is simulated. */
  #inSteps(value: string, factor: string, step: string): string {
    const builder = this.#builder
    return builder.node('Mul', [builder.node('Round', [builder.node('Mul', [value, factor])]), step])
  }

  /** Of each row. */
  #largest(magnitude: string): string {
    return this.#builder.node('ReduceMax', [magnitude, this.#builder.integers([1])], { keepdims: { int: 1 } })
  }

  #stepsIn(largest: string): string {
    return this.#builder.node('Div', [this.#scalar(int8Levels), this.#aboveZero(largest)])
  }

  #stepOf(largest: string): string {
    return this.#builder.node('Div', [largest, this.#scalar(int8Levels)])
  }

  /** Rows of zeros stay zero. */
  #aboveZero(largest: string): string {
    return this.#builder.node('Max', [largest, this.#scalar(smallestLargest)])
  }

  #scalar(value: number): string {
    return this.#builder.constant(Float32Array.of(value), [])
  }
}

/** Far below any activation; 127 times its inverse is still a float. */
const smallestLargest = 1e-30

/** The least f16 with all its bits is 2^-14; its logarithm must not fall below -14. */
const justAboveSubnormal = 2 ** -14 * (1 + 1e-5)
