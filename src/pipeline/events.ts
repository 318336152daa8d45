import type { LayerResult } from '../evaluation/result.ts'
import type { RunReport } from './report.ts'

/** What a run tells while it goes. Sent at most a few times a second; each is complete in itself. */
export type RunEvent =
  | { readonly kind: 'started'; readonly planHash: string; readonly blocks: number; readonly resumedBlocks: number }
  | {
      readonly kind: 'progress'
      /** Blocks finished; `blocks` while the head runs. */
      readonly block: number
      readonly blocks: number
      readonly phase: 'reading' | 'float' | 'calibrating' | 'quantizing' | 'measuring' | 'forward' | 'head'
      readonly recipeId: string | null
      readonly elapsedSeconds: number
      /** `null` before the second block. */
      readonly remainingSeconds: number | null
      readonly rates: { readonly weightsPerSecond: number | null; readonly tokensPerSecond: number | null; readonly gflops: number | null }
      readonly memoryBytes: number | null
    }
  /** A recipe's cell of a block is stored and measured. */
  | { readonly kind: 'layers'; readonly recipeId: string; readonly block: number; readonly layers: readonly LayerResult[] }
  | { readonly kind: 'block-stored'; readonly block: number }
  | { readonly kind: 'notice'; readonly severity: 'note' | 'warning'; readonly text: string }
  /** Figures so far over the windows whose head is done, then the final report. */
  | { readonly kind: 'finished'; readonly report: RunReport }
