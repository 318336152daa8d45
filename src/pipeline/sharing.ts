import { recipeInvalid } from '../quantization/faults.ts'
import { parseRecipe, systematicRecipe, validateRecipe } from '../quantization/parse-recipe.ts'
import type { Recipe } from '../quantization/recipe.ts'

const linkKey = 'recipes='
/** A link that unpacks to more than this is not one of ours. */
const longestLinkText = 2 ** 20

/** The shortest JSON that says the same: what is a default, or follows from the id, is left out. */
export function compactRecipe(recipe: Recipe): string {
  if (isSystematic(recipe)) return recipe.id
  const { id, transform, grid, rounding, allocation, embedding, head, overrides } = recipe
  return JSON.stringify({
    id,
    ...(isPlain(transform, 'none') ? {} : { transform }),
    grid,
    ...(isPlain(rounding, 'nearest') ? {} : { rounding }),
    ...(isPlain(allocation, 'uniform') ? {} : { allocation }),
    ...(embedding === 'float' ? {} : { embedding }),
    ...(head === 'float' ? {} : { head }),
    ...(overrides.length === 0 ? {} : { overrides }),
  })
}

/** `recipes=<base64url of deflated JSON>`: short enough for a chat, unreadable only to the eye. */
export async function recipeLink(recipes: readonly Recipe[]): Promise<string> {
  const text = JSON.stringify(recipes.map(compactRecipe))
  const packed = await pipe(new TextEncoder().encode(text), new CompressionStream('deflate-raw'), longestLinkText)
  let binary = ''
  for (const byte of packed) binary += String.fromCharCode(byte)
  return `${linkKey}${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}

/** The inverse; every recipe validated. Throws `recipe-invalid`. */
export async function recipesFromLink(fragment: string): Promise<Recipe[]> {
  const text = fragment.replace(/^#/, '')
  if (!text.startsWith(linkKey)) throw linkInvalid('it does not begin with "recipes="')
  const values = await unpack(text.slice(linkKey.length))
  if (!Array.isArray(values)) throw linkInvalid('it holds no list')
  return values.map((value) => (typeof value === 'string' ? parseRecipe(value) : validateRecipe(value)))
}

/** A line for a shell: ids where they say it all, quoted JSON otherwise. */
export function commandLine(model: string, recipes: readonly Recipe[], targets: readonly string[]): string {
  const choices = recipes.map((recipe) => ` --recipe ${quote(compactRecipe(recipe))}`)
  return `npm run quantize -- ${quote(model)}${choices.join('')}${targets.length === 0 ? '' : ` --export ${targets.join(',')}`}`
}

async function unpack(encoded: string): Promise<unknown> {
  let packed: Uint8Array<ArrayBuffer>
  try {
    packed = Uint8Array.from(atob(encoded.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))
  } catch {
    throw linkInvalid('it has characters that links do not use')
  }
  try {
    return JSON.parse(new TextDecoder().decode(await pipe(packed, new DecompressionStream('deflate-raw'), longestLinkText)))
  } catch {
    throw linkInvalid('it was cut off or changed')
  }
}

async function pipe(
  bytes: Uint8Array<ArrayBuffer>,
  transform: CompressionStream | DecompressionStream,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let size = 0
  const reader = new Blob([bytes]).stream().pipeThrough(transform).getReader()
  for (;;) {
    const { done, value } = (await reader.read()) as ReadableStreamReadResult<Uint8Array>
    if (done) break
    size += value.length
    if (size > limitBytes) {
      await reader.cancel()
      throw new RangeError('too long')
    }
    parts.push(value)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function isSystematic(recipe: Recipe): boolean {
  const named = systematicRecipe(recipe.id)
  return named !== null && JSON.stringify(sorted(named)) === JSON.stringify(sorted(recipe))
}

function isPlain(choice: Recipe['grid'], kind: string): boolean {
  return choice.kind === kind && Object.keys(choice).length === 1
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function linkInvalid(reason: string): Error {
  return recipeInvalid(`The recipes of this link cannot be read: ${reason}.`, 'Ask for the link again, or for the recipes as JSON.')
}
