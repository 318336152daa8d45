import { throwIfAborted } from '../../core/errors.ts'
import { AcceleratorFault } from '../contract/accelerator.ts'
import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { Matrix } from '../contract/matrix.ts'
import { requireBlocks, requireImportance, requireLength } from '../faults.ts'
import type { GpuRunner } from './runner.ts'

const superBlock = 256
/** Super-blocks of a workgroup. */
const perGroup = 8

interface Search {
  readonly isQ5: boolean
  readonly largestCode: number
  /** Inverse scales tried, in the order of `Call` in q4-k.wgsl. */
  readonly tries: { readonly first: number; readonly step: number; readonly steps: number }
}

/** What ggml tries for each type; as in the reference. */
const searches: Readonly<Partial<Record<GgmlType, Search>>> = {
  Q4_K: { isQ5: false, largestCode: 15, tries: { first: -1, step: 0.1, steps: 20 } },
  Q5_K: { isQ5: true, largestCode: 31, tries: { first: -0.5, step: 0.1, steps: 15 } },
}
const weightedTries = { first: -0.9, step: 0.05, steps: 36 }

/** Types that the card takes. */
export const quantizedTypes = Object.keys(searches)

function callOf(
  search: Search,
  shape: { readonly superBlocks: number; readonly columns: number },
  isWeighted: boolean,
): Uint32Array<ArrayBuffer> {
  const { first, step, steps } = isWeighted ? weightedTries : search.tries
  const call = Uint32Array.of(shape.superBlocks, shape.columns, 0, search.isQ5 ? 1 : 0, isWeighted ? 1 : 0, 0, 0, 0, steps)
  new Float32Array(call.buffer).set([search.largestCode, first, step], 5)
  return call
}

/**
 * The bytes of libggml, or an `AcceleratorFault` for the call: other types, and weights so small, large or not finite that the
 * card's f32 cannot be trusted to follow.
 */
export async function quantizeGgml(
  runner: GpuRunner,
  { input, type, importance }: { input: Matrix; type: GgmlType; importance: Float32Array | null },
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  requireBlocks(input, type)
  requireImportance(input, importance)
  requireLength('A matrix', input.data.length, input.rows * input.columns)
  const search = searches[type]
  if (search === undefined) throw new AcceleratorFault(`${type} is not written for the graphics card.`, { isLasting: false })
  const { rows, columns, data } = input
  const blocks = new Uint8Array(ggmlBytes(type, rows, columns))
  const rowsAtOnce = Math.floor(runner.bufferBytes / (4 * columns))
  if (rowsAtOnce === 0) throw new AcceleratorFault(`Rows of ${columns} are too wide for a buffer.`, { isLasting: false })
  const weights = await runner.upload('importance', importance === null ? new Float32Array(1) : Float32Array.from(importance))
  const uncertain = await runner.upload('uncertain', new Uint32Array(1))
  for (let row = 0; row < rows; row += rowsAtOnce) {
    throwIfAborted(signal)
    const end = Math.min(rows, row + rowsAtOnce)
    const superBlocks = ((end - row) * columns) / superBlock
    const outBytes = ggmlBytes(type, end - row, columns)
    const x = await runner.upload('tokens', data.subarray(row * columns, end * columns))
    const out = runner.storage('blocks', outBytes)
    const call = callOf(search, { superBlocks, columns }, importance !== null)
    const groups = [Math.ceil(superBlocks / perGroup), 1] as const
    await runner.dispatch('q4-k', { call, buffers: [x, weights, out, uncertain], groups })
    const at = ggmlBytes(type, row, columns)
    await runner.read(out, blocks.subarray(at, at + outBytes))
  }
  const [isUncertain] = await runner.read(uncertain, new Uint32Array(1))
  if (isUncertain !== 0) {
    throw new AcceleratorFault('A weight or an importance is too small, too large or not finite.', { isLasting: false })
  }
  return blocks
}
