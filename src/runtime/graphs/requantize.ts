import type { GraphBuilder } from '../../formats/onnx/builder.ts'
import type { RequantizedMode } from '../../kernels/contract/activations.ts'

/** The weight of `BlockWeights` with a scale for each row of a linear whose output is rounded, [out]. */
export const rowScales = (role: string): string => `${role}.rowScales`

/** Graph inputs that round the output of a linear: a value for each row, and the scale of the result, float [1]. */
export const requantizeInputs = (role: string) => ({
  step: `${role}.outputStep`,
  factor: `${role}.outputFactor`,
  power: `${role}.outputPower`,
  scale: `${role}.outputScale`,
})

export interface Requantizer {
  /** What 1 in the sum of products of codes means: input scale times row scale. */
  readonly step: Float32Array<ArrayBuffer>
  /** step / output scale = factor * power, with factor in [0.5, 1) and a power of two. */
  readonly factor: Float32Array<ArrayBuffer>
  readonly power: Float32Array<ArrayBuffer>
}

/** Without row scales (weights that are still floats) a step is so fine that the output is rounded to nearest. */
const stepsWithoutRows = 1024

export function requantizer(
  { scale, outputScale }: RequantizedMode,
  rows: Float32Array<ArrayBuffer> | undefined,
  count: number,
): Requantizer {
  const steps = new Float64Array(count).fill(outputScale / stepsWithoutRows)
  // A row of zeros has no scale; its sums are 0 whatever they mean.
  if (rows !== undefined) for (const [row, value] of rows.entries()) if (value > 0) steps[row] = scale * value
  const powers = steps.map((step) => 2 ** (Math.floor(Math.log2(step / outputScale)) + 1))
  const factors = steps.map((step, row) => step / outputScale / (powers[row] ?? 1))
  return { step: Float32Array.from(steps), factor: Float32Array.from(factors), power: Float32Array.from(powers) }
}

/**
 * The output of a linear as TensorFlow Lite Micro's integer kernels hand it on, [tokens, out]: the sum of products of codes times
 * the 31-bit factor, rounded, then shifted, rounded again with halves away from 0, clamped to 8 bits. The sum is a whole number, so it
 * is taken back from the product in floats: exactly while it is below 2^24, which takes more than 1,000 columns of largest codes to pass.
 */
export function requantized(builder: GraphBuilder, product: string, role: string, rows: number): string {
  const names = requantizeInputs(role)
  const input = (name: string, length: number): string => builder.input(name, 'float', [length])
  const scalar = (value: number): string => builder.constant(Float32Array.of(value), [])
  const sum = builder.node('Round', [builder.node('Div', [product, input(names.step, rows)])])
  const first = builder.node('Round', [builder.node('Mul', [sum, input(names.factor, rows)])])
  const shifted = builder.node('Mul', [first, input(names.power, rows)])
  const magnitude = builder.node('Floor', [builder.node('Add', [builder.node('Abs', [shifted]), scalar(0.5)])])
  const second = builder.node('Mul', [builder.node('Sign', [shifted]), magnitude])
  return builder.node('Mul', [builder.node('Clip', [second, scalar(-128), scalar(127)]), input(names.scale, 1)])
}
