import type { Recipe } from '../quantization/recipe.ts'
import { recipeGraph } from '../quantization/recipe-graph.ts'
import { encodings, roundings, transforms } from '../quantization/registry.ts'
import type { ResolvedTensor } from '../quantization/resolve.ts'
import { changesBlocks, learningOf, learnsFromText } from './learning.ts'
import type { PlanIssue, RecipePlan } from './plan.ts'
import type { PlanFacts } from './plan-facts.ts'

interface Considered {
  readonly facts: PlanFacts
  readonly recipes: readonly RecipePlan[]
  readonly resolved: readonly ReadonlyMap<string, ResolvedTensor>[]
  readonly peakMemoryBytes: number
  readonly storageBytes: number
}

/** Below this many scored tokens two recipes can hardly be told apart. */
const fewTokens = 1000

/** What to know before a run: what forbids it first, then what is worth knowing. Pure. */
export function planIssues(considered: Considered): PlanIssue[] {
  const issues = [...requestIssues(considered), ...resourceIssues(considered)]
  for (const [index, recipe] of considered.facts.request.recipes.entries()) {
    const { facts } = considered
    const tensors = [...(considered.resolved[index]?.values() ?? [])]
    const transform = transforms.get(recipe.transform.kind)
    const support = transform.supports(facts.checkpoint.graph, transform.parse(recipe.transform))
    if (support !== true) {
      issues.push({
        severity: 'error',
        recipeId: recipe.id,
        title: `${transform.title} is not possible on this model`,
        text: support,
        remedy: 'Choose another transform.',
      })
    }
    issues.push(
      ...learningIssues(facts, recipe),
      ...headIssues(facts, recipe),
      ...tensorIssues(recipe.id, tensors),
      ...overrideIssues(recipe, tensors),
      ...formatIssues(recipe.id, considered.recipes[index]),
    )
  }
  const rank = { error: 0, warning: 1, note: 2 }
  return issues.sort((a, b) => rank[a.severity] - rank[b.severity])
}

function requestIssues({ facts }: Considered): PlanIssue[] {
  const { request, checkpoint, texts } = facts
  const issues: PlanIssue[] = []
  const seen = new Set<string>()
  for (const { id } of request.recipes) {
    if (seen.has(id)) {
      issues.push({
        severity: 'error',
        recipeId: id,
        title: 'Two recipes have one name',
        text: `Results and files of "${id}" could not be told apart.`,
        remedy: 'Rename or remove one of them.',
      })
    }
    seen.add(id)
  }
  const { maxPositions } = checkpoint.graph.config
  for (const settings of [request.evaluation, request.calibration]) {
    if (settings === null || settings.contextLength <= maxPositions) continue
    const { contextLength } = settings
    issues.push({
      severity: 'error',
      recipeId: null,
      title: 'The window is longer than the model reads',
      text: `Windows of ${count(contextLength)} tokens were asked for; this model reads ${count(maxPositions)}.`,
      remedy: `Use windows of at most ${count(maxPositions)} tokens.`,
    })
  }
  if (texts.scoredTokens > 0 && texts.scoredTokens < fewTokens) {
    issues.push({
      severity: 'note',
      recipeId: null,
      title: 'Few tokens to measure on',
      text: `${count(texts.scoredTokens)} tokens are scored, so close recipes will read "same within error".`,
      remedy: 'Measure on a longer text.',
    })
  }
  return issues
}

function learningIssues({ request, checkpoint }: PlanFacts, recipe: Recipe): PlanIssue[] {
  const learning = learningOf(recipe)
  const transform = transforms.get(recipe.transform.kind)
  if (request.evaluation === null && request.calibration === null && !transform.needsInputs && changesBlocks(checkpoint.graph, recipe)) {
    return [
      {
        severity: 'error',
        recipeId: recipe.id,
        title: 'No text to run the model on',
        text: `${transform.title}: this changes whole blocks, and a run without a text only ever holds rows of single matrices.`,
        remedy: 'Choose a text to measure on, the bundled one for instance, or the transform "none".',
      },
    ]
  }
  if (request.calibration !== null || !learnsFromText(learning, request.importance !== null)) return []
  const learner = learning.transformNeedsInputs ? transform : roundings.get(recipe.rounding.kind)
  return [
    {
      severity: 'error',
      recipeId: recipe.id,
      title: 'No text to calibrate on',
      text: `${learner.title}: this learns from the inputs that a text gives every layer.`,
      remedy: 'Choose a calibration text, the bundled one for instance, or a recipe that needs none.',
    },
  ]
}

/** A head that parts from the embedding makes a larger file. */
function headIssues({ checkpoint: { graph } }: PlanFacts, recipe: Recipe): PlanIssue[] {
  if (graph.head !== null || recipeGraph(graph, recipe).head === null) return []
  return [
    {
      severity: 'note',
      recipeId: recipe.id,
      title: 'The head becomes a matrix of its own',
      text: `${transforms.get(recipe.transform.kind).title}: the head takes up the final norm and can no longer be the embedding, so the file holds ${count(graph.config.vocab)} rows more.`,
      remedy: 'Quantize embedding and head too, or choose another transform.',
    },
  ]
}

function resourceIssues({ facts, peakMemoryBytes, storageBytes }: Considered): PlanIssue[] {
  const issues: PlanIssue[] = []
  const needed = storageBytes - facts.heldStorageBytes
  if (needed > facts.freeStorageBytes) {
    issues.push({
      severity: 'error',
      recipeId: null,
      title: 'Not enough storage',
      text: `Needs ${bytesText(needed)}, ${bytesText(facts.freeStorageBytes)} is free.`,
      remedy: 'Remove recipes, measure on fewer tokens, or clear old runs.',
    })
  }
  if (peakMemoryBytes > facts.memoryLimitBytes) {
    issues.push({
      severity: 'warning',
      recipeId: null,
      title: 'More memory than the limit',
      text: `May need ${bytesText(peakMemoryBytes)} at the peak; the limit is ${bytesText(facts.memoryLimitBytes)}.`,
      remedy: 'Use shorter windows or fewer recipes, or raise the limit in Settings.',
    })
  }
  return issues
}

function tensorIssues(recipeId: string, tensors: readonly ResolvedTensor[]): PlanIssue[] {
  const issues: PlanIssue[] = []
  const [refused] = tensors.filter((tensor) => tensor.refusal !== null)
  if (refused !== undefined) {
    issues.push({
      severity: 'error',
      recipeId,
      title: 'This grid does not fit a matrix',
      text: `${refused.name}: ${refused.refusal ?? ''}`,
      remedy: 'Choose another grid, or override this tensor.',
    })
  }
  const wide = tensors.filter((tensor) => groupSize(tensor) > tensor.columns)
  const [widest] = wide
  if (widest !== undefined) {
    issues.push({
      severity: 'warning',
      recipeId,
      title: 'The group is larger than a row',
      text: `Groups of ${groupSize(widest)} do not fit rows of ${count(widest.columns)} in ${matrices(wide.length)}: each row is one group there.`,
      remedy: 'Use a smaller group, or one scale a row ("channel").',
    })
  }
  const fallbacks = tensors.filter(({ label }) => label.includes('fallback'))
  const [fallback] = fallbacks
  if (fallback !== undefined) {
    issues.push({
      severity: 'note',
      recipeId,
      title: `${matrices(fallbacks.length)} stored as ${fallback.label}`,
      text: `${fallback.name}: ${fallback.reason ?? ''}.`,
      remedy: 'An affine grid takes any row length.',
    })
  }
  if (tensors.every(({ encoding }) => encoding.encoding === 'source')) {
    issues.push({
      severity: 'warning',
      recipeId,
      title: 'Nothing is quantized',
      text: 'The overrides of this recipe leave every matrix as it is.',
      remedy: 'Remove the override that matches every name.',
    })
  }
  return issues
}

/** Weights of a row that share a scale; 0 where that is no matter of the row. */
function groupSize({ encoding }: ResolvedTensor): number {
  return encoding.encoding === 'source' ? 0 : (encodings.get(encoding.encoding).groupSize(encoding) ?? 0)
}

function overrideIssues(recipe: Recipe, tensors: readonly ResolvedTensor[]): PlanIssue[] {
  return recipe.overrides
    .filter(({ match }) => !tensors.some(({ reason }) => reason === `override "${match}"`) && !tensors.some(({ name }) => name === match))
    .map(({ match }) => ({
      severity: 'note' as const,
      recipeId: recipe.id,
      title: 'An override changes nothing',
      text: `"${match}" matches no matrix that an earlier override has not taken.`,
      remedy: 'Correct the name; "*" stands for any run of characters.',
    }))
}

function formatIssues(recipeId: string, plan: RecipePlan | undefined): PlanIssue[] {
  if (plan === undefined || plan.targets.length === 0 || plan.targets.some(({ support }) => support === true)) return []
  return [
    {
      severity: 'warning',
      recipeId,
      title: 'No file format can hold this recipe',
      text: `None of ${plan.targets.map(({ id }) => id).join(', ')} takes it.`,
      remedy: 'Run it to see what it costs; to get a file, choose a type that a format has.',
    },
  ]
}

function matrices(number: number): string {
  return number === 1 ? '1 matrix' : `${count(number)} matrices`
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** Decimal units, three digits. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? String(value) : value.toPrecision(3)} ${units[unit] ?? ''}`
}
