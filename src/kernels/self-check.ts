import { createRandom } from '../core/random.ts'
import type { AcceleratedMethod, AcceleratedOperations, Accelerator } from './contract/accelerator.ts'
import type { SweepOptions } from './contract/feedback.ts'
import type { Matrix } from './contract/matrix.ts'
import { bytes, firstDifference, relative, type Tolerance, type Values } from './tolerance.ts'

/** How far an accelerated operation may be from the others, everywhere: here, in the conformance suite, in the tables. */
export const acceleratedTolerances: Readonly<Record<AcceleratedMethod, Tolerance>> = {
  // In the order of the reference, with products that no compiler can fuse: it decides codes, so it must not differ.
  accumulateGram: bytes,
  // No f64 on the card: sums of up to 128 in f32, then of those. Figures of reports only, never codes.
  traceThroughGram: relative(1e-5),
  // Goes into files. Divisions and roots are put right in integers; what they cannot follow is left to other backends.
  quantizeGgml: bytes,
  // Goes into files as well, and a wrong bit in one column spreads over all after it.
  sweepColumns: bytes,
}

/** An operation on the card: allowed or why not, and from how much work of a call on it was measured to pay. */
export interface CheckResult {
  readonly support: true | string
  readonly leastWork: number
}

export interface CheckOptions {
  /** Also measure whether it is faster than `trusted`, and refuse it otherwise. */
  readonly isTimed: boolean
  /** Milliseconds, for durations only. */
  readonly now: () => number
  /** For each operation; a device that hangs must not keep the studio waiting. */
  readonly timeoutMs: number
}

interface Check {
  readonly method: AcceleratedMethod
  /** Tails, several tiles and token blocks, small enough for a software adapter. */
  readonly sample: (operations: AcceleratedOperations) => Promise<Values>
  /** Makes a call of the smallest size that is worth sending away; its multiply-adds or weights. */
  readonly probe: () => (operations: AcceleratedOperations) => Promise<unknown>
  readonly probeWork: number
}

/** Columns and rows of the probes: the smallest linears of models that take long enough to matter. */
const probeSize = 1024
/** Of a sweep: its blocks wait for each other, so a card gains on wide matrices first. */
const probeColumns = 2048

function matrix(rows: number, columns: number): Matrix {
  const random = createRandom(columns)
  return { data: Float32Array.from({ length: rows * columns }, () => random.next() - 0.5), rows, columns }
}

function checks(): readonly Check[] {
  const columns = 70
  const square = matrix(columns, columns).data
  return [
    {
      method: 'accumulateGram',
      sample: async (operations) => [await operations.accumulateGram(square, matrix(530, columns))],
      probe() {
        const large = matrix(probeSize, probeSize)
        return (operations) => operations.accumulateGram(large.data, large)
      },
      probeWork: probeSize ** 3 / 2,
    },
    {
      method: 'traceThroughGram',
      async sample(operations) {
        const gram = Float32Array.from({ length: columns * columns }, (_, at) => (at % (columns + 1) === 0 ? 8 : (square[at] ?? 0)))
        return [Float64Array.of(await operations.traceThroughGram(matrix(67, columns), gram))]
      },
      probe() {
        const large = matrix(probeSize, probeSize)
        return (operations) => operations.traceThroughGram(large, large.data)
      },
      probeWork: probeSize ** 3 / 2,
    },
    {
      method: 'quantizeGgml',
      async sample(operations) {
        const weights = matrix(5, 512)
        const importance = matrix(1, 512).data.map((value) => value + 0.5)
        return [
          await operations.quantizeGgml(weights, 'Q4_K'),
          await operations.quantizeGgml(weights, 'Q5_K'),
          await operations.quantizeGgml(weights, 'Q4_K', { importance }),
          await operations.quantizeGgml(weights, 'Q5_K', { importance }),
        ]
      },
      probe() {
        const large = matrix(probeSize, probeSize)
        return (operations) => operations.quantizeGgml(large, 'Q4_K')
      },
      probeWork: probeSize ** 2,
    },
    sweepCheck(),
  ]
}

/** A factor as error feedback has them: the diagonal outweighs the rest. */
function factor(columns: number): Float32Array<ArrayBuffer> {
  const { data } = matrix(columns, columns)
  return data.map((value, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns]
    return column < row ? 0 : column === row ? value + 1 : value / columns
  })
}

/** Both kinds of grids and the fit, a block and a rest, in an order of their own. */
function sweepCheck(): Check {
  const columns = 150
  const rows = 67
  const size = 32
  const groups = Math.ceil(columns / size)
  const weights = matrix(rows, columns)
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / size))
  const shared = { upper: factor(columns), block: 128, groups, groupOf }
  const lists = { scales: matrix(rows, groups).data, offsets: matrix(groups, rows).data }
  const order = Int32Array.from({ length: columns }, (_, position) => (position * 7) % columns)
  const values = async (operations: AcceleratedOperations, options: SweepOptions): Promise<Values> => {
    const { codes, fitted, losses } = await operations.sweepColumns(weights, options)
    return [codes, fitted.steps, fitted.zeroPoints, losses]
  }
  const fit = { kind: 'fit', bits: 4, isSymmetric: false, clip: 'none' } as const
  return {
    method: 'sweepColumns',
    sample: async (operations) => [
      ...(await values(operations, { ...shared, order: null, grid: fit })),
      ...(await values(operations, {
        ...shared,
        order,
        grid: { kind: 'uniform', largestCode: 15, zeroPoints: lists.scales.map(() => 8), ...lists },
      })),
      ...(await values(operations, {
        ...shared,
        order,
        grid: { kind: 'levels', levels: Float32Array.of(-3, -1, 0, 2, 5), tables: 'shared', ...lists },
      })),
    ],
    probe() {
      const large = matrix(probeSize, probeColumns)
      const groupOf = new Int32Array(probeColumns)
      const options = { upper: factor(probeColumns), order: null, block: 128, groups: 1, groupOf, grid: fit }
      return (operations) => operations.sweepColumns(large, options)
    },
    probeWork: (probeSize * probeColumns ** 2) / 2,
  }
}

/**
 * Compares the card with backends that are known to be right, on the person's own machine: drivers have bugs that no test
 * of ours can know. Small fixed inputs; when timed, also one larger call each. Never throws.
 */
export async function checkAccelerator(
  accelerator: Accelerator,
  trusted: AcceleratedOperations,
  options: CheckOptions,
): Promise<ReadonlyMap<string, CheckResult>> {
  const results = new Map<string, CheckResult>()
  for (const check of checks()) {
    const { method } = check
    const supported = accelerator.supports(method)
    const support = supported === true ? await within(judge(check, accelerator.operations, { trusted, options }), options) : supported
    results.set(method, { support, leastWork: options.isTimed ? check.probeWork : 0 })
  }
  return results
}

async function judge(
  { method, sample, probe }: Check,
  operations: AcceleratedOperations,
  { trusted, options: { isTimed, now } }: { readonly trusted: AcceleratedOperations; readonly options: CheckOptions },
): Promise<true | string> {
  try {
    const difference = firstDifference(await sample(trusted), await sample(operations), acceleratedTolerances[method])
    if (difference !== null) return `The graphics card computes it wrongly (${difference}).`
    if (!isTimed) return true
    const call = probe()
    // The first call of each pays for buffers and caches.
    const [card, processor] = [await timeOf(() => call(operations), now), await timeOf(() => call(trusted), now)]
    return card < processor ? true : `Measured here, it takes ${card.toFixed(1)} ms there and ${processor.toFixed(1)} ms with WASM.`
  } catch (error) {
    return `The graphics card failed at it: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Milliseconds of the better of two calls after a first one. */
async function timeOf(call: () => Promise<unknown>, now: () => number): Promise<number> {
  let best = Infinity
  for (let round = 0; round < 3; round++) {
    const start = now()
    await call()
    if (round > 0) best = Math.min(best, now() - start)
  }
  return best
}

async function within(result: Promise<true | string>, { timeoutMs }: CheckOptions): Promise<true | string> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`The graphics card did not answer within ${timeoutMs / 1000} s.`), timeoutMs)
  })
  const first = await Promise.race([result, late])
  clearTimeout(timer)
  return first
}
