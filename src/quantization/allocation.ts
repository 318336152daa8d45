import type { ModelGraph } from '../models/model-graph.ts'
import type { GridField } from './grid.ts'
import type { AxisChoice } from './recipe.ts'

/** A matrix that may be quantized. */
export interface AllocationTensor {
  readonly name: string
  /** Role in its block, or `embedding` or `head`. */
  readonly role: string
  /** -1 for embedding and head. */
  readonly block: number
  readonly rows: number
  readonly columns: number
}

/** Which tensor gets which grid, before overrides. Pure. One file in `allocation/` each, default export. */
export interface Allocation<Settings = unknown> {
  /** `kind` in recipes. */
  readonly kind: string
  readonly title: string
  readonly explanation: string
  readonly fields: readonly GridField[]
  /** Throws `StudioError` `recipe-invalid` naming the field. */
  parse(choice: AxisChoice): Settings
  /** Its words in a recipe's one-line summary; empty when it says nothing beyond the grid. */
  label(settings: Settings): string
  /** `base` is the recipe's own grid. */
  gridFor(
    tensor: AllocationTensor,
    options: { readonly settings: Settings; readonly base: AxisChoice; readonly graph: ModelGraph },
  ): AxisChoice | 'float'
}
