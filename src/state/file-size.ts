import type { RecipePlan } from '../pipeline/plan.ts'

/** Size of a recipe as one file format; see `RecipePlan`. */
export type FileSize = Pick<RecipePlan, 'bytes' | 'bytesOf' | 'bitsPerWeight'>

/** The size to tell: of the first of `formats` (those of a device, the usual one first) that holds the recipe, else the plan's own. */
export function fileSizeOf(plan: RecipePlan, formats: readonly string[]): FileSize {
  for (const id of formats) {
    const file = plan.targets.find((target) => target.id === id && target.support === true)
    if (file !== undefined) return { bytes: file.bytes, bytesOf: id, bitsPerWeight: (plan.bitsPerWeight * file.bytes) / plan.bytes }
  }
  return { bytes: plan.bytes, bytesOf: plan.bytesOf, bitsPerWeight: plan.bitsPerWeight }
}
