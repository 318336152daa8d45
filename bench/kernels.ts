import { Worker } from 'node:worker_threads'
import { createRandom } from '../src/core/random.ts'
import { sharedBytes, sharedFloats } from '../src/core/shared-memory.ts'
import type { CodeBookName } from '../src/kernels/contract/codebook.ts'
import { type GgmlType, ggmlTypes } from '../src/kernels/contract/ggml.ts'
import type { Kernels, Matrix, StoredMatrix } from '../src/kernels/contract/kernels.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { nodeWorkerPort } from '../src/kernels/port.ts'
import { createReferenceKernels } from '../src/kernels/reference/index.ts'
import { createWasmKernels } from '../src/kernels/wasm/index.ts'
import { TileBuffers } from '../src/pipeline/tile-buffers.ts'
import { inTurn, median, type Timing } from './rounds.ts'

/** One operation on one input; `work` is what a second is divided into. */
interface KernelBench {
  readonly operation: string
  /** Millions of weights, of logits, or thousands of millions of floating point operations a second. */
  readonly unit: 'Mw/s' | 'Ml/s' | 'GFLOP/s'
  /** Weights, logits or operations of one call at full size. */
  readonly work: number
  readonly run: (kernels: Kernels) => Promise<unknown>
}

export interface KernelRow {
  readonly operation: string
  readonly unit: string
  /** Medians over the rounds; each round times one backend after the other. */
  readonly reference: number
  readonly wasm: number
  /** WASM by processor time instead of the clock: on a busy machine the clock also counts what other programs do. */
  readonly wasmProcessor: number
}

export interface ScalingRow {
  readonly operation: string
  readonly unit: string
  readonly rates: readonly { readonly threads: number; readonly rate: number }[]
}

function normal(rows: number, columns: number): Matrix {
  const random = createRandom(columns)
  // As the walk reads them: threads look at shared memory where it lies.
  const data = sharedFloats(rows * columns)
  for (let i = 0; i < data.length; i++) data[i] = random.nextNormal() * 0.03
  return { data, rows, columns }
}

/** Rates of work per second in units of the bench. */
function rateOf({ unit, work }: KernelBench, seconds: number): number {
  return work / seconds / (unit === 'GFLOP/s' ? 1e9 : 1e6)
}

function quantizers(weights: Matrix): KernelBench[] {
  const work = weights.data.length
  const affine = (operation: string, group: number | 'row', isSymmetric: boolean, bits = 4): KernelBench => ({
    operation,
    unit: 'Mw/s',
    work,
    run: (kernels) => kernels.quantizeAffine(weights, { bits, isSymmetric, group }),
  })
  const codeBook = (operation: string, book: CodeBookName, blockSize: number): KernelBench => ({
    operation,
    unit: 'Mw/s',
    work,
    run: (kernels) => kernels.quantizeCodeBook(weights, { book, blockSize }),
  })
  return [
    affine('affine 4 bits, groups of 32', 32, false),
    affine('affine 4 bits, groups of 32, symmetric', 32, true),
    affine('affine 3 bits, groups of 128', 128, false, 3),
    affine('affine 8 bits, by row', 'row', false, 8),
    codeBook('NF4, blocks of 64', 'nf4', 64),
    codeBook('FP4, blocks of 64', 'fp4', 64),
    codeBook('NF4, blocks of 4096', 'nf4', 4096),
    { operation: 'int8 rows', unit: 'Mw/s', work, run: (kernels) => kernels.quantizeInt8Rows(weights) },
  ]
}

/** Grids that are searched for or fitted. */
function fitted(weights: Matrix): KernelBench[] {
  const random = createRandom(11)
  const importance = Float32Array.from({ length: weights.columns }, () => random.nextNormal() ** 2)
  const bench = (operation: string, run: KernelBench['run']): KernelBench => ({ operation, unit: 'Mw/s', work: weights.data.length, run })
  const clipped = { bits: 4, isSymmetric: false, clip: 'mse' } as const
  const fit = { levels: 16, isSymmetric: false, group: 64, fit: 'half-quadratic' } as const
  const mean = { isSymmetric: true, group: 64, fit: 'mean' } as const
  return [
    bench('affine 4 bits, groups of 32, clipped', (kernels) => kernels.quantizeAffine(weights, { ...clipped, group: 32 })),
    bench('affine 4 bits, groups of 128, clipped', (kernels) => kernels.quantizeAffine(weights, { ...clipped, group: 128 })),
    bench('half-quadratic 4 bits, groups of 64', (kernels) => kernels.quantizeRealAffine(weights, fit)),
    bench('half-quadratic 2 bits, groups of 64', (kernels) => kernels.quantizeRealAffine(weights, { ...fit, levels: 4 })),
    bench('1 bit, groups of 64', (kernels) => kernels.quantizeRealAffine(weights, { ...mean, levels: 2 })),
    bench('1.58 bit, groups of 64', (kernels) => kernels.quantizeRealAffine(weights, { ...mean, levels: 3 })),
    bench('k-means 4 bits, by row', (kernels) => kernels.quantizeKMeans(weights, { bits: 4, group: 'row' })),
    bench('k-means 4 bits, by row, by importance', (kernels) => kernels.quantizeKMeans(weights, { bits: 4, group: 'row' }, { importance })),
    bench('k-means 3 bits, groups of 128', (kernels) => kernels.quantizeKMeans(weights, { bits: 3, group: 128 })),
  ]
}

/** Types that ignore importance. */
const unweighted: readonly GgmlType[] = ['F16', 'Q8_0', 'TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4']

function blocks(weights: Matrix): KernelBench[] {
  const random = createRandom(7)
  const importance = Float32Array.from({ length: weights.columns }, () => random.nextNormal() ** 2)
  return (Object.keys(ggmlTypes) as GgmlType[])
    .filter((type) => type !== 'F32')
    .flatMap((type): KernelBench[] => {
      const shared = { unit: 'Mw/s', work: weights.data.length } as const
      const plain = { ...shared, operation: type, run: (kernels: Kernels) => kernels.quantizeGgml(weights, type) }
      if (unweighted.includes(type)) return [plain]
      const run = (kernels: Kernels) => kernels.quantizeGgml(weights, type, { importance })
      const weighted: KernelBench = { ...shared, operation: `${type} by importance`, run }
      return ggmlTypes[type].needsImportance === true ? [weighted] : [plain, weighted]
    })
}

function gram(tokens: number, columns: number): KernelBench {
  const input = normal(tokens, columns)
  const before = new Float32Array(columns * columns)
  return {
    operation: `Gram ${tokens} x ${columns}`,
    unit: 'GFLOP/s',
    work: tokens * columns * columns,
    run: (kernels) => kernels.accumulateGram(before, input),
  }
}

/** The two steps of error feedback after the Gram matrix; multiply-adds counted as two operations, as everywhere here. */
async function feedback(rows: number, columns: number): Promise<KernelBench[]> {
  const kernels = await createWasmKernels()
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), normal(columns + 64, columns))
  const mean = gram.reduce((sum, value, at) => sum + (at % (columns + 1) === 0 ? value : 0), 0) / columns
  const options = { order: null, damping: 0.01 * mean }
  const factor = await kernels.factorInverse(gram, options)
  if (factor.kind !== 'factor') throw new Error('a damped Gram matrix has a factor')
  const weights = normal(rows, columns)
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / 128))
  const shared = { upper: factor.upper, order: null, block: 128, groups: Math.ceil(columns / 128), groupOf }
  const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
  return [
    {
      operation: `error feedback, factor of ${columns}`,
      unit: 'GFLOP/s',
      work: (2 * columns ** 3) / 3,
      run: (any) => any.factorInverse(gram, options),
    },
    {
      operation: `error feedback, sweep ${rows} x ${columns}`,
      unit: 'GFLOP/s',
      work: rows * columns * columns,
      run: (any) => any.sweepColumns(weights, { ...shared, grid }),
    },
  ]
}

function logits(tokens: number, width: number): KernelBench {
  const float = normal(tokens, width).data.map((value) => value * 100)
  const tile = { float, recipe: float.map((value) => value * 1.01), tokens, width, vocabStart: 0, targets: new Int32Array(tokens).fill(-1) }
  const zeros = () => new Float64Array(tokens)
  const lowest = () => zeros().fill(-Infinity)
  const none = () => new Int32Array(tokens).fill(-1)
  const state = {
    floatMax: lowest(),
    floatSum: zeros(),
    recipeMax: lowest(),
    recipeSum: zeros(),
    weighted: zeros(),
    floatArgMax: none(),
    recipeArgMax: none(),
    floatTarget: zeros(),
    recipeTarget: zeros(),
  }
  return { operation: 'softmax sums and KL', unit: 'Ml/s', work: tokens * width, run: (kernels) => kernels.accumulateLogits(state, tile) }
}

/** One thread: the reference and WASM in turn on the same input. */
export async function benchKernels({ rounds = 15 } = {}): Promise<readonly KernelRow[]> {
  const reference = createReferenceKernels()
  const wasm = await createWasmKernels()
  const weights = normal(512, 2048)
  const others: KernelBench[] = [
    {
      operation: 'comparison of weights',
      unit: 'Mw/s',
      work: weights.data.length,
      run: (kernels) => kernels.compareWeights(weights.data, weights.data),
    },
    {
      operation: 'description of weights',
      unit: 'Mw/s',
      work: weights.data.length,
      run: (kernels) => kernels.describeWeights(weights, 128),
    },
    logits(8, 32768),
  ]
  const rows: KernelRow[] = []
  for (const bench of [...quantizers(weights), ...others]) {
    const [plain, fast] = await inTurn([() => bench.run(reference), () => bench.run(wasm)], { rounds })
    rows.push(rowOf(bench, rateOf(bench, median(plain.clock)), fast))
  }
  // Here the reference is timed on a matrix that it gets through; the rate does not depend on the size.
  const small = [...fitted(normal(4, 2048)), ...blocks(normal(4, 2048)), gram(64, 256), ...(await feedback(16, 256))]
  const large = [...fitted(weights), ...blocks(weights), gram(1024, 1024), ...(await feedback(2048, 2048))]
  for (const [index, bench] of large.entries()) {
    const part = small[index] ?? bench
    const [plain, fast] = await inTurn([() => part.run(reference), () => bench.run(wasm)], { rounds })
    rows.push(rowOf(bench, rateOf(part, median(plain.clock)), fast))
  }
  return rows
}

function rowOf(bench: KernelBench, reference: number, { clock, processor }: Timing): KernelRow {
  const { operation, unit } = bench
  return { operation, unit, reference, wasm: rateOf(bench, median(clock)), wasmProcessor: rateOf(bench, median(processor)) }
}

/**
 * Quantizers as a run that measures nothing on a text calls them, from a checkpoint's values and from f32: results lie in memory
 * that is used again. What the full walk quantizes is in new memory, for which one row stands.
 */
function scalingBenches(): KernelBench[] {
  const buffers = new TileBuffers()
  const weights = normal(4096, 2048)
  const source: StoredMatrix = { ...weights, bytes: upperHalves(weights.data), dtype: 'BF16' }
  const fit = { bits: 4, isSymmetric: false, group: 32 } as const
  const bench = (operation: string, quantize: (kernels: Kernels) => Promise<Uint8Array>): KernelBench => ({
    operation,
    unit: 'Mw/s',
    work: weights.data.length,
    run: async (kernels) => buffers.give(await quantize(kernels.into(buffers))),
  })
  const grid = 'affine 4 bits, groups of 32'
  return [
    bench(grid, async (kernels) => (await kernels.quantizeAffine(weights, fit)).codes),
    bench(`${grid}, measured`, async (kernels) => (await kernels.quantizeStoredAffine(source, fit)).affine.codes),
    ...(['Q4_0', 'Q8_0', 'Q4_K'] as const).flatMap((type) => [
      bench(type, (kernels) => kernels.quantizeGgml(weights, type)),
      bench(`${type}, measured`, async (kernels) => (await kernels.quantizeStored(source, type)).blocks),
    ]),
    {
      operation: `${grid}, in new memory`,
      unit: 'Mw/s',
      work: weights.data.length,
      run: (kernels) => kernels.quantizeAffine(weights, fit),
    },
    gram(2048, 1024),
  ]
}

/** bfloat16 without rounding, in shared memory. */
function upperHalves(floats: Float32Array): Uint8Array {
  const bytes = sharedBytes(2 * floats.length)
  const halves = new Uint16Array(floats.buffer)
  new Uint16Array(bytes.buffer).forEach((_, i, to) => {
    to[i] = halves[2 * i + 1] ?? 0
  })
  return bytes
}

/**
 * WASM on 1, 2, 4, … `threads` threads, in turn; `threadFile` is `headless/kernel-worker.ts` as a bundle. The best of the
 * rounds counts: what other programs take from one thread they need not take from two.
 */
export async function benchScaling(threadFile: URL, { threads = 2, rounds = 15 } = {}): Promise<readonly ScalingRow[]> {
  const counts = [1, 2, 4, 8].filter((count) => count < threads).concat(threads)
  const pools = await Promise.all(
    counts.map((count) => createKernelPool({ threads: count, spawn: () => nodeWorkerPort(new Worker(threadFile)) })),
  )
  const rows: ScalingRow[] = []
  for (const bench of scalingBenches()) {
    const timings = await inTurn(
      pools.map((pool) => () => bench.run(pool)),
      // A walk has the next tile ready: one call after the other, not each from sleeping threads.
      { rounds, seconds: 0.03 },
    )
    rows.push({
      operation: bench.operation,
      unit: bench.unit,
      rates: timings.map(({ clock }, index) => ({ threads: counts[index] ?? 0, rate: rateOf(bench, Math.min(...clock)) })),
    })
  }
  for (const pool of pools) await pool.close()
  return rows
}

export function kernelTable(rows: readonly KernelRow[]): string {
  const lines = rows.map(({ operation, unit, reference, wasm, wasmProcessor }) =>
    [
      operation.padEnd(42),
      unit.padStart(8),
      reference.toFixed(1).padStart(10),
      wasm.toFixed(1).padStart(10),
      wasmProcessor.toFixed(1).padStart(14),
      `${(wasm / reference).toFixed(0)} x`.padStart(7),
    ].join(' '),
  )
  const head = [
    'kernel, one thread'.padEnd(42),
    'unit'.padStart(8),
    'reference'.padStart(10),
    'WASM'.padStart(10),
    'by CPU time'.padStart(14),
    'ratio'.padStart(7),
  ]
  return [head.join(' '), ...lines].join('\n')
}

export function scalingTable(rows: readonly ScalingRow[]): string {
  const heads = rows[0]?.rates.map(({ threads }) => `${threads} thread${threads === 1 ? '' : 's'}`.padStart(10)) ?? []
  const lines = rows.map(({ operation, unit, rates }) => {
    const ratio = `${((rates.at(-1)?.rate ?? 0) / (rates[0]?.rate ?? 0)).toFixed(2)} x`
    return [operation.padEnd(42), unit.padStart(8), ...rates.map(({ rate }) => rate.toFixed(1).padStart(10)), ratio.padStart(8)].join(' ')
  })
  return [['kernel pool'.padEnd(42), 'unit'.padStart(8), ...heads, 'ratio'.padStart(8)].join(' '), ...lines].join('\n')
}
