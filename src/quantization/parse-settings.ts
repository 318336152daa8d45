import * as v from 'valibot'
import { recipeInvalid } from './faults.ts'
import type { AxisChoice } from './recipe.ts'

/**
 * What `choice` sets, defaults filled in. `of` is the member in words ("the HQQ grid"), `remedy` what it would take instead.
 * Throws `recipe-invalid` that names the setting.
 */
export function parseSettings<const Schema extends v.GenericSchema>(
  schema: Schema,
  choice: AxisChoice,
  { of, remedy }: { readonly of: string; readonly remedy: string },
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, choice)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw recipeInvalid(`The ${v.getDotPath(issue) ?? 'form'} of ${of} is not possible: ${issue.message}.`, remedy)
}
