import type { Matrix } from '../contract/matrix.ts'
import { type GramStripe, gramTokenBlock } from '../contract/operations.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

/** Rows of a stripe that `assembly/gram.ts` takes at once for the trace. */
const traceBlock = 128

const roundUp8 = (count: number): number => Math.ceil(count / 8) * 8

export function accumulateGram(
  wasm: KernelExports,
  arena: Arena,
  { stripe, input }: { stripe: GramStripe; input: Matrix },
): Float32Array<ArrayBuffer> {
  const { gram, rows, width } = stripe
  arena.reset()
  const at = arena.put(gram)
  const { data, rows: tokenCount, columns } = input
  const x = arena.take(gramTokenBlock * columns * 4)
  const panels = arena.take(gramTokenBlock * roundUp8(width) * 4)
  // Tokens come block by block, so that they are still in the cache when they are packed, and take little memory.
  for (let token = 0; token < tokenCount; token += gramTokenBlock) {
    const tokens = Math.min(gramTokenBlock, tokenCount - token)
    arena.write(x, data.subarray(token * columns, (token + tokens) * columns))
    wasm.accumulateGram(x + 4 * (columns - width), tokens, columns, at, rows, width, panels)
  }
  return arena.floats(at, rows * width)
}

export function accumulateProduct(
  wasm: KernelExports,
  arena: Arena,
  { sum, left, right }: { sum: Float32Array; left: Matrix; right: Matrix },
): Float32Array<ArrayBuffer> {
  const [rows, columns] = [left.columns, right.columns]
  arena.reset()
  const at = arena.put(sum)
  const a = arena.take(gramTokenBlock * rows * 4)
  const b = arena.take(gramTokenBlock * columns * 4)
  const leftPanels = arena.take(gramTokenBlock * roundUp8(rows) * 4)
  const rightPanels = arena.take(gramTokenBlock * roundUp8(columns) * 4)
  for (let first = 0; first < left.rows; first += gramTokenBlock) {
    const depth = Math.min(gramTokenBlock, left.rows - first)
    arena.write(a, left.data.subarray(first * rows, (first + depth) * rows))
    arena.write(b, right.data.subarray(first * columns, (first + depth) * columns))
    wasm.accumulateProduct(a, b, depth, at, rows, columns, leftPanels, rightPanels)
  }
  return arena.floats(at, rows * columns)
}

export function traceThroughGram(wasm: KernelExports, arena: Arena, { stripe, delta }: { stripe: GramStripe; delta: Matrix }): number {
  const { gram, rows, width } = stripe
  arena.reset()
  const at = arena.put(gram)
  const d = arena.put(delta.data) + 4 * (delta.columns - width)
  const panels = arena.take(traceBlock * roundUp8(width) * 4)
  const deltaRows = arena.take(8 * roundUp8(width) * 4)
  const deltaPanel = arena.take(8 * traceBlock * 4)
  return wasm.traceThroughGram(at, rows, width, d, delta.columns, delta.rows, panels, deltaRows, deltaPanel)
}

export function groupLosses(
  wasm: KernelExports,
  arena: Arena,
  { delta, blocks, span }: { delta: Matrix; blocks: Float32Array; span: number },
): Float64Array<ArrayBuffer> {
  const { data, rows, columns } = delta
  const count = rows * Math.ceil(columns / span)
  const width = roundUp8(Math.min(span, columns))
  arena.reset()
  const d = arena.put(data)
  const at = arena.put(blocks)
  const losses = arena.take(count * 8)
  const panels = arena.take(width * width * 4)
  const deltaRows = arena.take(8 * width * 4)
  const deltaPanel = arena.take(8 * width * 4)
  wasm.groupLosses(d, rows, columns, at, span, losses, panels, deltaRows, deltaPanel)
  return new Float64Array(arena.bytes(losses, count * 8).buffer)
}
