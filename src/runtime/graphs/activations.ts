import type { GraphBuilder } from '../../formats/onnx/builder.ts'
import { type ActivationMode, int8Levels, isRequantized } from '../../kernels/contract/activations.ts'
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
  if (mode.kind === 'int8-rows') return `${mode.kind} ${String(mode.outlierThreshold)}`
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

  /** The input of a linear, [tokens, width]. */
  input(value: string, role: string): string {
    const mode = this.#modes[role] ?? { kind: 'none' }
    switch (mode.kind) {
      case 'none':
        return value
      case 'int8-tensor':
        return this.#byTensor(value, role)
      case 'int8-rows': {
        const key = `${value} ${modeKey(mode)}`
        const made = this.#made.get(key) ?? this.#byRow(value, mode.outlierThreshold)
        this.#made.set(key, made)
        return made
      }
    }
  }

  /** The output of a linear, [tokens, rows]. */
  output(value: string, role: string, rows: number): string {
    return isRequantized(this.#modes[role]) ? requantized(this.#builder, value, role, rows) : value
  }

  #byTensor(value: string, role: string): string {
    const builder = this.#builder
    const scale = builder.input(inputScale(role), 'float', [1])
    const steps = builder.node('Round', [builder.node('Div', [value, scale])])
    return builder.node('Mul', [builder.node('Clip', [steps, this.#scalar(-int8Levels - 1), this.#scalar(int8Levels)]), scale])
  }

  #byRow(value: string, outlierThreshold: number | null): string {
    const builder = this.#builder
    const magnitude = builder.node('Abs', [value])
    if (outlierThreshold === null) return this.#inSteps(value, magnitude)
    const threshold = this.#scalar(outlierThreshold)
    const isOutlier = builder.node('GreaterOrEqual', [magnitude, threshold])
    const rounded = this.#inSteps(value, builder.node('Where', [isOutlier, this.#scalar(0), magnitude]))
    const ofColumn = builder.node('ReduceMax', [magnitude, builder.integers([0])], { keepdims: { int: 1 } })
    return builder.node('Where', [builder.node('GreaterOrEqual', [ofColumn, threshold]), value, rounded])
  }

  /** Steps of 1 / 127 of the largest magnitude of each row; rows of zeros stay zero. */
  #inSteps(value: string, magnitude: string): string {
    const builder = this.#builder
    const largest = builder.node('ReduceMax', [magnitude, builder.integers([1])], { keepdims: { int: 1 } })
    const levels = this.#scalar(int8Levels)
    const factor = builder.node('Div', [levels, builder.node('Max', [largest, this.#scalar(smallestLargest)])])
    const steps = builder.node('Round', [builder.node('Mul', [value, factor])])
    return builder.node('Mul', [steps, builder.node('Div', [largest, levels])])
  }

  #scalar(value: number): string {
    return this.#builder.constant(Float32Array.of(value), [])
  }
}

/** Far below any activation; 127 times its inverse is still a float. */
const smallestLargest = 1e-30
