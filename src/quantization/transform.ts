import type { Support } from '../core/support.ts'
import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import type { GridField } from './grid.ts'
import type { AxisChoice } from './recipe.ts'

/** f32 tensors of one block by role, as the runtime takes them: linears, `<role>.bias`, norms. */
export type BlockTensors = Readonly<Record<string, Float32Array<ArrayBuffer>>>

/**
 * What is done to a block before it is quantized, and exactly undone elsewhere in the same block, so that in float the
 * model computes what it computed before. One file in `transforms/` each, default export.
 */
export interface Transform<Settings = unknown> {
  /** `kind` in recipes. */
  readonly kind: string
  readonly title: string
  readonly explanation: string
  /** Place in a list of choices, familiar members first; those without one come after, by kind. */
  readonly order?: number
  readonly fields: readonly GridField[]
  /** Throws `StudioError` `recipe-invalid` naming the field. */
  parse(choice: AxisChoice): Settings
  /** Its words in a recipe's one-line summary; empty when it does nothing. */
  label(settings: Settings): string
  supports(graph: ModelGraph, settings: Settings): Support
  /** The block's tensors after the transform. Inputs are not changed; tensors it leaves alone are passed on as they are. */
  apply(
    block: BlockSpec,
    tensors: BlockTensors,
    options: { readonly settings: Settings; readonly signal?: AbortSignal },
  ): Promise<BlockTensors>
}
