import { recipeInvalid } from './faults.ts'
import type { AxisChoice } from './recipe.ts'

/** `parse` of members that have nothing to set. */
export function parseWithoutSettings(what: string, choice: AxisChoice): null {
  const extra = Object.keys(choice).find((key) => key !== 'kind')
  if (extra !== undefined) throw recipeInvalid(`There is no setting "${extra}" of ${what}.`, `Remove "${extra}".`)
  return null
}
