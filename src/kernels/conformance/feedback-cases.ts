import { createRandom } from '../../core/random.ts'
import type { SweepGrid, SweepOptions } from '../contract/feedback.ts'
import type { Kernels } from '../contract/kernels.ts'
import { bytes, relative } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { sampleMatrix, tailLengths } from './inputs.ts'

/** X^T X over twice as many tokens as columns, columns correlated as those of a layer are; every 23rd is never used. */
async function sampleGram(kernels: Kernels, columns: number): Promise<Float32Array<ArrayBuffer>> {
  const random = createRandom(columns)
  const rows = 2 * columns + 3
  const data = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const common = random.nextNormal()
    for (let column = 0; column < columns; column++) {
      data[row * columns + column] = column % 23 === 17 ? 0 : common + (1 + (column % 5)) * random.nextNormal()
    }
  }
  return kernels.accumulateGram(new Float32Array(columns * columns), { data, rows, columns })
}

function shuffled(columns: number): Int32Array<ArrayBuffer> {
  const random = createRandom(columns + 1)
  const order = Int32Array.from({ length: columns }, (_, column) => column)
  for (let i = columns - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1))
    const held = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = held
  }
  return order
}

/** A factor as error feedback meets them, the same for every backend: the sweep alone is judged. */
function sampleFactor(columns: number): Float32Array<ArrayBuffer> {
  const random = createRandom(columns + 2)
  const upper = new Float32Array(columns * columns)
  for (let i = 0; i < columns; i++) {
    for (let j = i; j < columns; j++) upper[i * columns + j] = i === j ? 0.5 + random.next() : random.nextNormal() / Math.sqrt(columns)
  }
  return upper
}

function factorCases(): ConformanceCase[] {
  return tailLengths.flatMap((columns) =>
    [null, shuffled(columns)].map(
      (order): ConformanceCase => ({
        operation: 'factorInverse',
        name: `${columns} columns${order === null ? '' : ' in another order'}`,
        // f64 sums in another order, stored in f32: one unit in the last place, more only where an element nearly cancels.
        tolerance: relative(1e-5),
        async run(kernels) {
          const factor = await kernels.factorInverse(await sampleGram(kernels, columns), { order, damping: 0.5 })
          return [factor.kind === 'factor' ? factor.upper : Float32Array.of(-1 - factor.column)]
        },
      }),
    ),
  )
}

/** The same in f32, by the largest element: sums in another order leave an element that nearly cancels no digits of its own. */
function f32FactorCases(): ConformanceCase[] {
  return tailLengths.map(
    (columns): ConformanceCase => ({
      operation: 'factorInverse',
      name: `${columns} columns in f32`,
      tolerance: relative(1e-5),
      async run(kernels) {
        const factor = await kernels.factorInverse(await sampleGram(kernels, columns), { order: shuffled(columns), damping: 5, f32From: 0 })
        if (factor.kind !== 'factor') return []
        const largest = factor.upper.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        return [factor.upper.map((value) => 2 + value / largest), Uint8Array.of(factor.computedIn === 'f32' ? 32 : 64)]
      },
    }),
  )
}

function groupsOf(columns: number, size: number, order: Int32Array | null): { groups: number; groupOf: Int32Array<ArrayBuffer> } {
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor((order?.[position] ?? position) / size))
  return { groups: Math.ceil(columns / size), groupOf }
}

const spread = [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6] as const

function gridsOf(rows: number, groups: number): readonly { readonly name: string; readonly grid: SweepGrid }[] {
  const count = rows * groups
  const random = createRandom(count)
  const list = (value: () => number): Float32Array<ArrayBuffer> => Float32Array.from({ length: count }, value)
  const scales = Float32Array.from({ length: count }, (_, i) => (i % 13 === 5 ? 0 : (i % 7 === 3 ? -0.01 : 0.01) * (0.5 + random.next())))
  const offsets = list(() => random.nextNormal() * 0.01)
  const tables = new Float32Array(count * 16)
  for (let table = 0; table < count; table++) {
    tables.set(Float32Array.from({ length: 16 }, () => random.nextNormal() * 3).sort(), table * 16)
  }
  return [
    { name: 'uniform', grid: { kind: 'uniform', largestCode: 15, scales, zeroPoints: list(() => 8), offsets } },
    { name: 'uniform of 255 codes', grid: { kind: 'uniform', largestCode: 254, scales, zeroPoints: list(() => 127), offsets } },
    { name: 'shared levels', grid: { kind: 'levels', levels: Float32Array.from(spread), tables: 'shared', scales, offsets } },
    { name: 'levels by group', grid: { kind: 'levels', levels: tables, tables: 'by group', scales, offsets } },
  ]
}

function sweepCase(name: string, rows: number, columns: number, options: SweepOptions): ConformanceCase {
  return {
    operation: 'sweepColumns',
    name: `${rows} x ${columns}, ${name}`,
    tolerance: bytes,
    async run(kernels) {
      const { codes, fitted, losses } = await kernels.sweepColumns(sampleMatrix('normal', rows, columns), options)
      return [codes, fitted.steps, fitted.zeroPoints, losses]
    },
  }
}

function sweepCases(): ConformanceCase[] {
  return tailLengths.flatMap((columns, index) => {
    const rows = 1 + (index % 11)
    const upper = sampleFactor(columns)
    const fits = ([2, 3, 4, 5, 8] as const).flatMap((bits) =>
      [true, false].map((isSymmetric) => {
        const size = [16, 32, 33, columns][(bits + Number(isSymmetric)) % 4] ?? columns
        const clip = bits % 2 === 0 ? 'none' : 'mse'
        const grid: SweepGrid = { kind: 'fit', bits, isSymmetric, clip }
        const name = `${bits} bits ${isSymmetric ? 'symmetric' : 'asymmetric'}, groups of ${size}, clip ${clip}, fitted on the way`
        return sweepCase(name, rows, columns, { upper, order: null, block: 128, ...groupsOf(columns, size, null), grid })
      }),
    )
    const given = [null, shuffled(columns)].flatMap((order) => {
      const { groups, groupOf } = groupsOf(columns, 16, order)
      return gridsOf(rows, groups).map(({ name, grid }) =>
        sweepCase(`${name}${order === null ? '' : ' in another order'}`, rows, columns, { upper, order, block: 64, groups, groupOf, grid }),
      )
    })
    return [...fits, ...given]
  })
}

function fitCases(): ConformanceCase[] {
  return tailLengths.flatMap((columns) =>
    [true, false].map(
      (isSymmetric): ConformanceCase => ({
        operation: 'fitSteps',
        name: `5 x ${columns}, ${isSymmetric ? 'symmetric' : 'asymmetric'}`,
        tolerance: bytes,
        async run(kernels) {
          const input = sampleMatrix('heavy tails', 5, columns)
          // One row whose step no half holds, one row of zeros.
          input.data.fill(0, columns, 2 * columns)
          for (let i = 0; i < columns; i++) input.data[i] = (input.data[i] ?? 0) * 1e-6
          const { steps, zeroPoints } = await kernels.fitSteps(input, 24, {
            bits: 4,
            isSymmetric,
            clip: columns % 2 === 0 ? 'none' : 'mse',
          })
          return [steps, zeroPoints]
        },
      }),
    ),
  )
}

/** Rounding with error feedback: `factorInverse`, `fitSteps`, `sweepColumns`. */
export function feedbackCases(): ConformanceCase[] {
  return [...factorCases(), ...f32FactorCases(), ...fitCases(), ...sweepCases()]
}
