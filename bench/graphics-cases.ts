import { createRandom } from '../src/core/random.ts'
import type { AcceleratedMethod, AcceleratedOperations } from '../src/kernels/contract/accelerator.ts'
import type { Kernels, Matrix } from '../src/kernels/contract/kernels.ts'
import type { Values } from '../src/kernels/tolerance.ts'

/** A call that a graphics card and WASM are timed at. */
export interface GraphicsCase {
  readonly method: AcceleratedMethod
  readonly name: string
  readonly run: (operations: AcceleratedOperations) => Promise<Values>
}

function normal(rows: number, columns: number): Matrix {
  const random = createRandom(columns)
  return { data: Float32Array.from({ length: rows * columns }, () => random.nextNormal() * 0.03), rows, columns }
}

function gramCase(tokens: number, columns: number): GraphicsCase {
  const input = normal(tokens, columns)
  const before = new Float32Array(columns * columns)
  return {
    method: 'accumulateGram',
    name: `${tokens} tokens x ${columns}`,
    run: async (operations) => [await operations.accumulateGram(before, input)],
  }
}

async function traceCase(kernels: Kernels, rows: number, columns: number): Promise<GraphicsCase> {
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), normal(512, columns))
  const delta = normal(rows, columns)
  return {
    method: 'traceThroughGram',
    name: `${rows} x ${columns}`,
    run: async (operations) => [Float64Array.of(await operations.traceThroughGram(delta, gram))],
  }
}

function searchCases(rows: number, columns: number): GraphicsCase[] {
  const weights = normal(rows, columns)
  const random = createRandom(rows)
  const importance = Float32Array.from({ length: columns }, () => 0.01 + random.next())
  return (['Q4_K', 'Q5_K'] as const).flatMap((type): GraphicsCase[] => [
    { method: 'quantizeGgml', name: `${type}, ${rows} x ${columns}`, run: async (at) => [await at.quantizeGgml(weights, type)] },
    {
      method: 'quantizeGgml',
      name: `${type} by importance, ${rows} x ${columns}`,
      run: async (at) => [await at.quantizeGgml(weights, type, { importance })],
    },
  ])
}

/** 4 bits in groups of 128, fitted on the way, with the factor of real inputs: the part of GPTQ that is not in `gramCase`. */
async function sweepCase(kernels: Kernels, rows: number, columns: number): Promise<GraphicsCase> {
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), normal(columns + 64, columns))
  const mean = gram.reduce((sum, value, at) => sum + (at % (columns + 1) === 0 ? value : 0), 0) / columns
  const start = performance.now()
  const factor = await kernels.factorInverse(gram, { order: null, damping: 0.01 * mean })
  if (factor.kind !== 'factor') throw new Error('a damped Gram matrix has a factor')
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const weights = normal(rows, columns)
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / 128))
  const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
  const options = { upper: factor.upper, order: null, block: 128, groups: Math.ceil(columns / 128), groupOf, grid }
  return {
    method: 'sweepColumns',
    name: `${rows} x ${columns} (its factor, in ${factor.computedIn} on one thread: ${seconds} s)`,
    async run(operations) {
      const { codes, fitted, losses } = await operations.sweepColumns(weights, options)
      return [codes, fitted.steps, fitted.zeroPoints, losses]
    },
  }
}

/** Sizes from small linears to those of models with some thousand million weights. */
export async function graphicsCases(kernels: Kernels): Promise<readonly GraphicsCase[]> {
  return [
    ...[512, 1024, 2048].map((size) => gramCase(size, size)),
    gramCase(4096, 2048),
    gramCase(4096, 4096),
    await traceCase(kernels, 1024, 1024),
    await traceCase(kernels, 2048, 2048),
    await sweepCase(kernels, 512, 512),
    await sweepCase(kernels, 1024, 1024),
    await sweepCase(kernels, 512, 2048),
    await sweepCase(kernels, 2048, 2048),
    await sweepCase(kernels, 4096, 4096),
    await sweepCase(kernels, 2048, 5632),
    ...searchCases(512, 512),
    ...searchCases(2048, 2048),
  ]
}
