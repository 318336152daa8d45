import type { Support } from '../core/support.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { AxisMember } from './axis-member.ts'
import type { AxisChoice, Recipe } from './recipe.ts'

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
export interface Allocation<Settings = unknown> extends AxisMember<Settings> {
  /** Its words in a recipe's one-line summary; empty when it says nothing beyond the grid. */
  label(settings: Settings): string
  /** Names worth suggesting when a preset id is mistyped. */
  readonly exampleNames?: readonly string[]
  /** The recipe that goes by a name of this allocation (`Q4_K_M`), `null` when it has no such name. */
  named?(id: string): Pick<Recipe, 'grid' | 'allocation' | 'embedding' | 'head'> | null
  /** Absent: any rounding will do. */
  supports?(settings: Settings, options: { readonly hasImportance: boolean }): Support
  /** `base` is the recipe's own grid; `hasImportance` says whether the rounding weighs errors by importance. */
  gridFor(
    tensor: AllocationTensor,
    options: { readonly settings: Settings; readonly base: AxisChoice; readonly graph: ModelGraph; readonly hasImportance: boolean },
  ): AxisChoice | 'float'
}
