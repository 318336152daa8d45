import * as v from 'valibot'
import { StudioError } from '../core/errors.ts'
import { recipeInvalid } from './faults.ts'
import type { AxisChoice, Recipe } from './recipe.ts'
import { allocations, grids, roundings, transforms } from './registry.ts'
import type { Rounding } from './rounding.ts'

/** Ids become folder names, so they stay within what every file system takes. */
const idPattern = /^[A-Za-z0-9._+-]{1,80}$/
/** A recipe is small; more text than this is not one. */
const longestRecipeText = 64 * 1024
const mostOverrides = 1000

const axis = v.looseObject({ kind: v.string() })
const treatment = v.picklist(['float', 'grid'])
const schema = v.strictObject({
  id: v.pipe(v.string(), v.regex(idPattern, 'use 1 to 80 letters, digits, ".", "_", "+" or "-"')),
  transform: v.optional(axis, { kind: 'none' }),
  grid: axis,
  rounding: v.optional(axis, { kind: 'nearest' }),
  allocation: v.optional(axis, { kind: 'uniform' }),
  embedding: v.optional(treatment, 'float'),
  head: v.optional(treatment, 'float'),
  overrides: v.optional(
    v.pipe(
      v.array(v.strictObject({ match: v.pipe(v.string(), v.minLength(1), v.maxLength(400)), grid: v.union([v.literal('float'), axis]) })),
      v.maxLength(mostOverrides),
    ),
    [],
  ),
})

/**
 * A recipe from a systematic preset id (`nearest-4bit-g32-sym`, `Q4_0`) or from JSON text.
 * Throws `StudioError` `recipe-invalid` that names the field, or suggests the nearest valid id.
 */
export function parseRecipe(idOrJson: string): Recipe {
  const text = idOrJson.trim()
  if (!text.startsWith('{')) return recipeFromId(text)
  if (text.length > longestRecipeText) {
    throw recipeInvalid(`This recipe has ${text.length} characters.`, `A recipe has at most ${longestRecipeText}.`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw recipeInvalid(
      `The recipe is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`,
      'Correct the JSON text.',
    )
  }
  return validateRecipe(value)
}

/** Whether a recipe that was put together by the program is one. */
export function isValidRecipe(recipe: Recipe): boolean {
  try {
    validateRecipe(recipe)
    return true
  } catch (error) {
    if (error instanceof StudioError && error.code === 'recipe-invalid') return false
    throw error
  }
}

/** The same for a parsed value. Unknown fields, members and settings are refused by name. */
export function validateRecipe(value: unknown): Recipe {
  const parsed = v.safeParse(schema, value)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw recipeInvalid(
      `The recipe's ${v.getDotPath(issue) ?? 'form'} is not possible: ${issue.message}.`,
      'A recipe has id and grid, and may have transform, rounding, allocation, embedding, head and overrides.',
    )
  }
  const recipe: Recipe = parsed.output
  const transform = transforms.get(recipe.transform.kind)
  transform.parse(recipe.transform)
  const rounding = roundings.get(recipe.rounding.kind)
  const roundingSettings = rounding.parse(recipe.rounding)
  const allocation = allocations.get(recipe.allocation.kind)
  const allocationSettings = allocation.parse(recipe.allocation)
  const supported = allocation.supports?.(allocationSettings, { hasImportance: rounding.givesImportance }) ?? true
  if (supported !== true) throw recipeInvalid(supported, 'Choose another allocation, or the rounding "weighted".')
  for (const choice of [recipe.grid, ...recipe.overrides.map((override) => override.grid)]) {
    if (choice === 'float') continue
    const grid = grids.get(choice.kind)
    const place = choice === recipe.grid ? 'recipe' : 'tensor'
    const support = rounding.supports(grid, roundingSettings, { gridSettings: grid.parse(choice), place })
    if (support !== true) throw recipeInvalid(support, 'Choose another grid or another rounding.')
    const outlives = transform.supportsGrid?.({ grid, gridSettings: grid.parse(choice), rounding }) ?? true
    // An override may be for embedding or head; the plan asks again, matrix by matrix.
    if (outlives !== true && choice === recipe.grid) throw recipeInvalid(outlives, 'Choose another grid or another rounding.')
  }
  return recipe
}

/** `null` when the text follows no pattern. What it gives may still not be possible: see `validateRecipe`. */
export function systematicRecipe(id: string): Recipe | null {
  const named = namedRecipe(id, id, plainMethod)
  if (named !== null) return named
  for (const member of transforms.members) {
    const choices = member.named?.(id) ?? null
    if (choices !== null) return { ...plainRecipe(id, choices.grid, plainMethod), transform: choices.transform }
  }
  for (let cut = id.indexOf('+'); cut !== -1; cut = id.indexOf('+', cut + 1)) {
    const method = methodOf(id.slice(cut + 1), (rounding, text) => rounding.fromSuffix?.(text) ?? null)
    const recipe = method === null ? null : namedRecipe(id, id.slice(0, cut), method)
    if (recipe !== null) return recipe
  }
  for (let cut = id.indexOf('-'); cut !== -1; cut = id.indexOf('-', cut + 1)) {
    const rest = id.slice(cut + 1)
    // A rounding's label of several words stands around the grid: gptq-actorder in gptq-3bit-g64-sym-actorder.
    for (let end = rest.length; end > 0; end = rest.lastIndexOf('-', end - 1)) {
      const recipe = labelledRecipe(id, rest.slice(0, end), id.slice(0, cut) + rest.slice(end))
      if (recipe !== null) return recipe
    }
  }
  return null
}

/** What is done to weights before they lie on a grid, and which of its values they get. */
type Method = Pick<Recipe, 'transform' | 'rounding'>

const plainMethod: Method = { transform: { kind: 'none' }, rounding: { kind: 'nearest' } }

/** `gptq`, `awq` (and nearest), `awq+gptq`. */
function methodOf(text: string, read: (member: Rounding, text: string) => AxisChoice | null): Method | null {
  const roundingOf = (words: string): AxisChoice | null => first(roundings.members, (member) => read(member, words))
  const alone = roundingOf(text)
  if (alone !== null) return { ...plainMethod, rounding: alone }
  const [label = '', ...rest] = text.split('+')
  const transform = first(transforms.members, (member) => member.fromLabel(label))
  const rounding = rest.length === 0 ? plainMethod.rounding : roundingOf(rest.join('+'))
  return transform === null || rounding === null ? null : { transform, rounding }
}

function first<Member>(members: readonly Member[], choose: (member: Member) => AxisChoice | null): AxisChoice | null {
  for (const member of members) {
    const choice = choose(member)
    if (choice !== null) return choice
  }
  return null
}

/** A grid that goes by its label and a method's. */
function labelledRecipe(id: string, gridLabel: string, methodLabel: string): Recipe | null {
  const method = methodOf(methodLabel, (rounding, text) => rounding.fromLabel(text))
  if (method === null) return null
  const grid = first(grids.members, (member) => (member.isNamedAlone ? null : member.fromLabel(gridLabel)))
  return grid === null ? null : plainRecipe(id, grid, method)
}

/** A grid or a mix that goes by its own name. */
function namedRecipe(id: string, name: string, method: Method): Recipe | null {
  for (const grid of grids.members) {
    const choice = grid.isNamedAlone ? grid.fromLabel(name) : null
    if (choice !== null) return plainRecipe(id, choice, method)
  }
  for (const allocation of allocations.members) {
    const named = allocation.named?.(name) ?? null
    if (named !== null) return { ...plainRecipe(id, named.grid, method), ...named }
  }
  return null
}

/** One line in words: `affine 4 bit, groups of 32, nearest`. */
export function summarize(recipe: Recipe): string {
  const grid = grids.get(recipe.grid.kind)
  const transform = transforms.get(recipe.transform.kind)
  const rounding = roundings.get(recipe.rounding.kind)
  const allocation = allocations.get(recipe.allocation.kind)
  const parts = [
    transform.label(transform.parse(recipe.transform)),
    grid.describe(grid.parse(recipe.grid)),
    rounding.label(rounding.parse(recipe.rounding)),
    allocation.label(allocation.parse(recipe.allocation)),
    recipe.embedding === 'grid' ? 'embedding too' : '',
    recipe.head === 'grid' ? 'head too' : '',
    recipe.overrides.length > 0 ? `${recipe.overrides.length} ${recipe.overrides.length === 1 ? 'override' : 'overrides'}` : '',
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function recipeFromId(id: string): Recipe {
  const recipe = systematicRecipe(id)
  if (recipe !== null) return validateRecipe(recipe)
  throw recipeInvalid(
    `There is no recipe "${id.slice(0, 80)}".`,
    `The nearest one is "${nearestId(id)}"; the pattern is nearest-4bit-g32, or a type such as Q4_0, or a mix such as Q4_K_M, with +imatrix or +awq behind it or not.`,
  )
}

function plainRecipe(id: string, grid: AxisChoice, { transform, rounding }: Method): Recipe {
  return {
    id,
    transform,
    grid,
    rounding,
    allocation: { kind: 'uniform' },
    embedding: 'float',
    head: 'float',
    overrides: [],
  }
}

/** Every id worth suggesting. */
function exampleIds(): string[] {
  const choices = roundings.members.map((member) => ({ member, settings: member.parse({ kind: member.kind }) }))
  const ids = transforms.members.flatMap(({ exampleNames = [] }) => [...exampleNames])
  for (const grid of grids.members) {
    for (const example of grid.exampleLabels) {
      const choice = grid.fromLabel(example)
      if (choice === null) continue
      const use = { gridSettings: grid.parse(choice), place: 'recipe' as const }
      for (const { member, settings } of choices) {
        if (member.supports(grid, settings, use) !== true) continue
        const suffix = member.suffix?.(settings)
        ids.push(grid.isNamedAlone ? suffixed(example, suffix) : `${member.label(settings)}-${example}`)
      }
      for (const label of transformLabels()) ids.push(grid.isNamedAlone ? suffixed(example, label) : `${label}-${example}`)
    }
  }
  for (const allocation of allocations.members) {
    for (const name of allocation.exampleNames ?? []) {
      const named = allocation.named?.(name) ?? null
      if (named === null) continue
      const own = allocation.parse(named.allocation)
      for (const { member, settings } of choices) {
        const support = allocation.supports?.(own, { hasImportance: member.givesImportance }) ?? true
        if (support === true) ids.push(suffixed(name, member.suffix?.(settings)))
      }
    }
  }
  return ids
}

function transformLabels(): string[] {
  return transforms.members.map((member) => member.label(member.parse({ kind: member.kind }))).filter((label) => label !== '')
}

function suffixed(name: string, suffix: string | undefined): string {
  return suffix === undefined ? name : `${name}+${suffix}`
}

function nearestId(id: string): string {
  const asked = id.slice(0, 80)
  let best = ''
  let bestScore = Number.POSITIVE_INFINITY
  for (const candidate of exampleIds()) {
    // Letters decide; among equals the candidate whose numbers are closest (9bit -> 8bit, not 2bit).
    const score = editDistance(withoutNumbers(asked), withoutNumbers(candidate)) + numberDistance(asked, candidate)
    if (score < bestScore) {
      best = candidate
      bestScore = score
    }
  }
  return best
}

function withoutNumbers(text: string): string {
  return text.toLowerCase().replace(/\d+/g, '#')
}

/** 0 to below 1. */
function numberDistance(a: string, b: string): number {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number)
  const [left, right] = [numbers(a), numbers(b)]
  let sum = 0
  for (let i = 0; i < Math.min(left.length, right.length); i++) sum += Math.abs((left[i] ?? 0) - (right[i] ?? 0))
  return sum / (sum + 1)
}

/** Levenshtein. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
