import { layerFigures } from '../evaluation/layer-figures.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import { encodedBits, type ResolvedTensor } from '../quantization/resolve.ts'

/** G = X^T X of each tap of a block, upper triangles, over a bounded number of tokens. */
export class GramSums {
  readonly #kernels: Kernels
  readonly #grams = new Map<string, Float32Array<ArrayBuffer>>()

  constructor(kernels: Kernels) {
    this.#kernels = kernels
  }

  /** Adds the first `rows` rows of every tap. */
  async add(
    taps: Readonly<Record<string, Float32Array>>,
    options: { readonly rows: number; readonly of: number },
    signal: AbortSignal,
  ): Promise<void> {
    for (const [tap, values] of Object.entries(taps)) {
      const columns = values.length / options.of
      const data = values.slice(0, options.rows * columns)
      const gram = this.#grams.get(tap) ?? new Float32Array(columns * columns)
      this.#grams.set(tap, await this.#kernels.accumulateGram(gram, { data, rows: options.rows, columns }, signal))
    }
  }

  get(tap: string): Float32Array<ArrayBuffer> {
    const gram = this.#grams.get(tap)
    if (gram === undefined) throw new RangeError(`no activations were kept for tap "${tap}"`)
    return gram
  }
}

/** Figures of one quantized matrix against the weights it stands for. */
export async function measureTensor(
  resolved: ResolvedTensor,
  values: { readonly weight: Matrix; readonly approximation: Float32Array<ArrayBuffer> },
  output: { readonly gram: Float32Array; readonly reference: number; readonly kernels: Kernels },
  signal: AbortSignal,
): Promise<LayerResult> {
  const { weight, approximation } = values
  const sums = await output.kernels.compareWeights(weight.data, approximation, signal)
  const delta = new Float32Array(approximation.length)
  for (let i = 0; i < delta.length; i++) delta[i] = (weight.data[i] ?? 0) - (approximation[i] ?? 0)
  const error = await output.kernels.traceThroughGram({ ...weight, data: delta }, output.gram, signal)
  const figures = layerFigures(sums, { error, signal: output.reference })
  return { ...describe(resolved), ...figures }
}

/** Zeros of either sign among the values, 0 to 1. */
export function shareOfZeros(values: Float32Array): number {
  let zeros = 0
  for (const value of values) if (value === 0) zeros++
  return values.length === 0 ? 0 : zeros / values.length
}

/** Name, place and size of a quantized matrix in results. */
export function describe(resolved: ResolvedTensor): Pick<LayerResult, 'name' | 'block' | 'role' | 'grid' | 'bitsPerWeight'> {
  const { name, block, role, label: grid, encoding } = resolved
  const bits = encoding.encoding === 'source' ? Number.NaN : encodedBits(resolved, encoding)
  return { name, block, role, grid, bitsPerWeight: bits / (resolved.rows * resolved.columns) }
}
