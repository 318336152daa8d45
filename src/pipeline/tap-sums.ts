import type { Matrix } from '../kernels/contract/kernels.ts'
import type { BlockTaps } from '../runtime/engine.ts'

/** Tokens of a sample. */
export const sampleTokens = 256

interface Sums {
  readonly magnitudes: Float64Array
  readonly largest: Float32Array<ArrayBuffer>
  /** Rows taken so far. */
  readonly rows: Float32Array<ArrayBuffer>[]
}

/**
 * What transforms learn of the inputs of each tap beside G: magnitudes by column, and a sample of tokens spread over the text; and
 * how far the outputs of linears reach.
 */
export class TapSums {
  readonly #every: number
  readonly #sums = new Map<string, Sums>()
  readonly #ranges = new Map<string, number>()
  #seen = 0

  /** `tokens`: how many rows will come in all. */
  constructor(tokens: number) {
    this.#every = Math.max(1, Math.ceil(tokens / sampleTokens))
  }

  /** Adds the first `rows` rows of every tap; all taps have the same rows. */
  add({ taps = {}, ranges = {} }: BlockTaps, { rows, of }: { readonly rows: number; readonly of: number }): void {
    for (const [tap, values] of Object.entries(taps)) {
      const columns = values.length / of
      const sums = this.#sums.get(tap) ?? { magnitudes: new Float64Array(columns), largest: new Float32Array(columns), rows: [] }
      this.#sums.set(tap, sums)
      for (let row = 0; row < rows; row++) {
        const input = values.subarray(row * columns, (row + 1) * columns)
        addRow(sums, input)
        if ((this.#seen + row) % this.#every === 0) sums.rows.push(input.slice())
      }
    }
    for (const [role, values] of Object.entries(ranges)) {
      const largest = values.subarray(0, rows).reduce((most, value) => Math.max(most, value), this.#ranges.get(role) ?? 0)
      this.#ranges.set(role, largest)
    }
    this.#seen += rows
  }

  /** Largest magnitude in the outputs of each linear, by role; empty where none were added. */
  get ranges(): ReadonlyMap<string, number> {
    return this.#ranges
  }

  /** Throws `RangeError` for a tap that no row was added to. */
  get(tap: string): {
    readonly meanMagnitude: Float32Array<ArrayBuffer>
    readonly largest: Float32Array<ArrayBuffer>
    readonly sample: Matrix
  } {
    const sums = this.#sums.get(tap)
    if (sums === undefined) throw new RangeError(`no activations were kept for tap "${tap}"`)
    const columns = sums.largest.length
    const data = new Float32Array(sums.rows.length * columns)
    for (const [index, row] of sums.rows.entries()) data.set(row, index * columns)
    return {
      meanMagnitude: Float32Array.from(sums.magnitudes, (sum) => sum / this.#seen),
      largest: sums.largest,
      sample: { data, rows: sums.rows.length, columns },
    }
  }
}

function addRow({ magnitudes, largest }: Sums, input: Float32Array): void {
  for (let column = 0; column < input.length; column++) {
    const magnitude = Math.abs(input[column] ?? 0)
    magnitudes[column] = (magnitudes[column] ?? 0) + magnitude
    if (magnitude > (largest[column] ?? 0)) largest[column] = magnitude
  }
}
