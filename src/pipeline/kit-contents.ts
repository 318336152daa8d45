import type { KitContents } from '../export/kit/kit.ts'
import type { RunReport } from './report.ts'

/** When and how long: left out, so that the same run gives the same files. */
const times: ReadonlySet<string> = new Set(['createdAt', 'seconds'])

/** What goes beside the exported files of a recipe: the report without the other recipes, and its figures. */
export function kitContents(report: RunReport, recipeId: string): KitContents {
  const recipes = report.recipes.filter(({ id }) => id === recipeId)
  const own = JSON.parse(JSON.stringify({ ...report, recipes }, (key, value: unknown) => (times.has(key) ? undefined : value))) as object
  if (report.evaluation === null) return { report: own, measured: null }
  const recipe = report.recipes.find(({ id }) => id === recipeId)
  const { textName, tokens, float, inputs } = report.evaluation
  return {
    report: own,
    measured:
      recipe === undefined
        ? null
        : {
            textName,
            tokens,
            floatPerplexity: float.perplexity,
            perplexity: recipe.perplexity,
            hasLlamaCppInputs: inputs === 'llama.cpp',
          },
  }
}
