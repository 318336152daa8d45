import { throwIfAborted } from '../core/errors.ts'
import type { DescentOptions, DescentResult } from './contract/descent.ts'
import type { Matrix } from './contract/matrix.ts'
import type { KernelExecutor } from './executor.ts'
import { contractBroken, requireLength } from './faults.ts'
import { pieceOf } from './pieces.ts'
import { requireTables, rowsOf, sweepPieces } from './split-feedback.ts'

export async function descendCodes(
  executor: KernelExecutor,
  { input, options }: { input: Matrix; options: DescentOptions },
  signal: AbortSignal | undefined,
): Promise<DescentResult> {
  throwIfAborted(signal)
  requireDescent(input, options)
  const { rows, columns } = input
  const { start, grid, groups, groupOf } = options
  const pieces = sweepPieces(rows, columns, executor.threads)
  const gram = pieces.length > 1 ? executor.share(options.gram) : options.gram
  const result = { codes: new Uint8Array(rows * columns), before: new Float64Array(rows), after: new Float64Array(rows) }
  await executor.each(
    'descendCodes',
    pieces,
    {
      argumentsOf: (piece, cut) => [
        pieceOf(input, piece, cut),
        {
          ...options,
          gram: cut(gram, 0, gram.length),
          start: cut(start, piece.start * columns, piece.end * columns),
          groupOf: cut(groupOf, 0, columns),
          grid: rowsOf(grid, piece, { groups, cut }),
        },
      ],
      take: (part, piece) => {
        result.codes.set(part.codes, piece.start * columns)
        result.before.set(part.before, piece.start)
        result.after.set(part.after, piece.start)
      },
    },
    signal,
  )
  return result
}

function requireDescent(input: Matrix, { gram, start, rounds, groups, groupOf, grid }: DescentOptions): void {
  const { rows, columns } = input
  requireLength('A matrix', input.data.length, rows * columns)
  requireLength('A Gram matrix', gram.length, columns * columns)
  requireLength('A list of codes', start.length, rows * columns)
  requireLength('A list of groups', groupOf.length, columns)
  if (!Number.isInteger(rounds) || rounds < 0) throw contractBroken(`Rounds are ${rounds}.`)
  if (groupOf.some((group) => group < 0 || group >= groups)) throw contractBroken(`A column is in none of ${groups} groups.`)
  requireLength('A list of scales', grid.scales.length, rows * groups)
  requireLength('A list of offsets', grid.offsets.length, rows * groups)
  const count = requireTables(grid, rows * groups)
  if (start.some((code) => code >= count)) throw contractBroken(`A code beyond a table of ${count} levels.`)
}
