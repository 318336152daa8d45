import { createRandom } from '../../src/core/random.ts'
import type { Matrix } from '../../src/kernels/contract/kernels.ts'
import { createWasmKernels } from '../../src/kernels/wasm/index.ts'

/** Seconds of a step. */
export interface Seconds {
  readonly wall: number
  readonly processor: number
}

export type Layer = (
  rows: number,
  columns: number,
  tokens: number,
) => Promise<{ readonly gram: Seconds; readonly factor: Seconds; readonly sweep: Seconds }>

async function timed<T>(step: () => Promise<T>): Promise<{ readonly value: T; readonly seconds: Seconds }> {
  const start = performance.now()
  const before = process.cpuUsage()
  const value = await step()
  const { user, system } = process.cpuUsage(before)
  return { value, seconds: { wall: (performance.now() - start) / 1000, processor: (user + system) / 1e6 } }
}

/** GPTQ of one layer by the WASM kernels on this thread: symmetric 4-bit groups of 128, fitted on the way, damping of 1 %. */
export async function studioLayer(): Promise<Layer> {
  const kernels = await createWasmKernels()
  const random = createRandom(1)
  const matrix = (rows: number, columns: number): Matrix => ({
    data: Float32Array.from({ length: rows * columns }, () => random.next() - 0.5),
    rows,
    columns,
  })
  return async (rows, columns, tokens) => {
    const inputs = matrix(tokens, columns)
    const weight = matrix(rows, columns)
    const gram = await timed(() => kernels.accumulateGram(new Float32Array(columns * columns), inputs))
    const mean = gram.value.reduce((sum, value, at) => sum + (at % (columns + 1) === 0 ? value : 0), 0) / columns
    const factor = await timed(() => kernels.factorInverse(gram.value, { order: null, damping: 0.01 * mean }))
    if (factor.value.kind !== 'factor') throw new Error('the inputs leave the layer undetermined')
    const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / 128))
    const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
    const options = { upper: factor.value.upper, order: null, block: 128, groups: Math.ceil(columns / 128), groupOf, grid }
    const sweep = await timed(() => kernels.sweepColumns(weight, options))
    return { gram: gram.seconds, factor: factor.seconds, sweep: sweep.seconds }
  }
}
