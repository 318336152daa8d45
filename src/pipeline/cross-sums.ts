import type { Kernels } from '../kernels/contract/kernels.ts'

/** (F - X)^T X of each tap over the calibration text: X are a recipe's own inputs, F those of the float model. */
export class CrossSums {
  readonly #kernels: Kernels
  readonly #sums = new Map<string, Float32Array<ArrayBuffer>>()

  constructor(kernels: Kernels) {
    this.#kernels = kernels
  }

  /** Adds the `rows` tokens of every tap of `own`; `float` holds the same tokens of at least those taps. */
  async add(
    own: Readonly<Record<string, Float32Array<ArrayBuffer>>>,
    float: Readonly<Record<string, Float32Array<ArrayBuffer>>>,
    rows: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [tap, values] of Object.entries(own)) {
      const columns = values.length / rows
      const other = float[tap]
      if (other?.length !== values.length) throw new RangeError(`the float model gave no inputs for tap "${tap}"`)
      const apart = other.map((value, i) => value - (values[i] ?? 0))
      const sum = this.#sums.get(tap) ?? new Float32Array(columns * columns)
      const shape = { rows, columns }
      this.#sums.set(tap, await this.#kernels.accumulateProduct(sum, { ...shape, data: apart }, { ...shape, data: values }, signal))
    }
  }

  /** [columns, columns] row-major. Throws `RangeError` for a tap that nothing was added to. */
  get(tap: string): Float32Array<ArrayBuffer> {
    const sum = this.#sums.get(tap)
    if (sum === undefined) throw new RangeError(`no activations were kept for tap "${tap}"`)
    return sum
  }
}
