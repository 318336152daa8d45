import { createRandom } from '../../core/random.ts'
import type { DescentOptions } from '../contract/descent.ts'
import type { Kernels } from '../contract/kernels.ts'
import { bytes } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { sampleMatrix, tailLengths } from './inputs.ts'

const perColumns = 16

/** Grids around normal weights, a tenth of their scales 0 or negative, with codes that are not the best. */
async function sampleDescent(kernels: Kernels, rows: number, columns: number, isByGroup: boolean): Promise<DescentOptions> {
  const random = createRandom(rows * 1000 + columns)
  const groups = Math.ceil(columns / perColumns)
  const count = isByGroup ? 8 : 15
  const tables = isByGroup ? rows * groups : 1
  const levels = new Float32Array(tables * count)
  for (let table = 0; table < tables; table++) {
    levels.set(Float32Array.from({ length: count }, () => random.nextNormal() * 6).sort(), table * count)
  }
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), sampleMatrix('normal', 2 * columns, columns))
  // A column that no input uses.
  const unused = Math.floor(columns / 3)
  if (columns > 3) for (let i = 0; i < columns; i++) gram[Math.min(i, unused) * columns + Math.max(i, unused)] = 0
  return {
    gram,
    start: Uint8Array.from({ length: rows * columns }, () => Math.floor(random.next() * count)),
    rounds: columns % 3,
    groups,
    groupOf: Int32Array.from({ length: columns }, (_, column) => Math.floor(column / perColumns)),
    grid: {
      kind: 'levels',
      levels,
      tables: isByGroup ? 'by group' : 'shared',
      scales: Float32Array.from({ length: rows * groups }, (_, i) =>
        i % 11 === 5 ? 0 : (i % 7 === 3 ? -0.01 : 0.01) * (0.5 + random.next()),
      ),
      offsets: Float32Array.from({ length: rows * groups }, () => random.nextNormal() * 0.01),
    },
  }
}

/** Learned rounding: `descendCodes`. */
export function descentCases(): ConformanceCase[] {
  return tailLengths.flatMap((columns, index) =>
    [true, false].map((isByGroup): ConformanceCase => {
      // The reference takes its time over long rows.
      const rows = columns > 100 ? 1 : 1 + (index % 5)
      return {
        operation: 'descendCodes',
        name: `${rows} x ${columns}, levels ${isByGroup ? 'by group' : 'shared'}, ${columns % 3} rounds`,
        tolerance: bytes,
        async run(kernels) {
          const options = await sampleDescent(kernels, rows, columns, isByGroup)
          const { codes, before, after } = await kernels.descendCodes(sampleMatrix('normal', rows, columns), options)
          return [codes, before, after]
        },
      }
    }),
  )
}
