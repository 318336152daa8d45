import type { ModelConfig } from '../models/model-graph.ts'
import type { BatchShape } from './hidden-states.ts'

/** Tokens that go through a block at once; more gains no speed and costs memory. */
const batchTokenLimit = 2048
/** Bound on the attention scores of a batch: heads x length^2 f32 a window. */
const scoreBytes = 128 * 2 ** 20

/** One window of text: what goes in, and the token that really follows each position (-1 where none is scored). */
export interface TokenWindow {
  readonly ids: Int32Array
  readonly targets: Int32Array
}

/** Consecutive windows of one length, flattened. */
export interface WindowBatch extends BatchShape {
  readonly ids: Int32Array
  readonly targets: Int32Array
}

/** Windows in order, as many to a batch as the limits allow; at least one. */
export function makeBatches(windows: readonly TokenWindow[], config: ModelConfig): WindowBatch[] {
  const batches: WindowBatch[] = []
  for (let start = 0; start < windows.length; ) {
    const length = windows[start]?.ids.length ?? 0
    const most = windowsAtOnce(length, config)
    let end = start + 1
    while (end < windows.length && end - start < most && windows[end]?.ids.length === length) end++
    const group = windows.slice(start, end)
    const ids = new Int32Array(length * group.length)
    const targets = new Int32Array(length * group.length)
    for (const [i, window] of group.entries()) {
      ids.set(window.ids, i * length)
      targets.set(window.targets, i * length)
    }
    batches.push({ batch: group.length, length, ids, targets })
    start = end
  }
  return batches
}

export function windowsAtOnce(length: number, config: ModelConfig): number {
  const byTokens = Math.floor(batchTokenLimit / length)
  const byScores = Math.floor(scoreBytes / (4 * config.heads * length * length))
  return Math.max(1, Math.min(byTokens, byScores))
}
