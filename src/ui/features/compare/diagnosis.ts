import { notableOverlap } from '../../../core/notable-overlap.ts'
import type { LayerResult } from '../../../evaluation/result.ts'
import type { MeasuredRun, RecipeReport } from '../../../pipeline/report.ts'
import type { AxisChoice, Recipe } from '../../../quantization/recipe.ts'
import { findingGroups, findingText, findingTitle, moreWindows } from '../../../state/findings.ts'
import { isWithinError, type Result } from '../../../state/results.ts'
import * as format from '../../format/numbers.ts'
import { widerGrid, withOverrides } from './edited-copy.ts'
import { aboveDifference } from './paired.ts'

/** A cause, its evidence and one remedy. Remedies make copies; nothing here changes a recipe. */
export interface Diagnosis {
  readonly key: string
  readonly title: string
  readonly text: string
  /** Block to point at in the layer charts. */
  readonly block: number | null
  readonly remedy: Remedy | null
}

export type Remedy =
  /** Adds `recipe` (its id is that of the original; the page finds a free one). */
  | { readonly kind: 'copy'; readonly label: string; readonly recipe: Recipe }
  | { readonly kind: 'pin'; readonly label: string; readonly pin: 'a' | 'b'; readonly id: string }
  | { readonly kind: 'measure'; readonly label: string; readonly tokens: number }
  /** Calibrates the next run on this many tokens. */
  | { readonly kind: 'calibrate'; readonly label: string; readonly tokens: number }

/** A tensor of the open model, as far as sizes go. */
export interface TensorSize {
  readonly name: string
  readonly shape: readonly number[]
  /** -1 outside blocks. */
  readonly block: number
  readonly isQuantizable: boolean
}

export interface DiagnosisFacts {
  readonly report: MeasuredRun
  /** All recipes with figures. */
  readonly results: readonly Result[]
  readonly a: Result | null
  readonly b: Result | null
  readonly tensors: readonly TensorSize[]
}

const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** Everything worth saying, the strongest finding first. */
export function diagnose(facts: DiagnosisFacts): readonly Diagnosis[] {
  const pinned = [
    { name: 'A', pin: 'a', result: facts.a },
    { name: 'B', pin: 'b', result: facts.b },
  ] as const
  const found: (Diagnosis | null)[] = [...wentOtherwise(facts), overlap(facts), tooFewTokens(facts)]
  for (const { name, pin, result } of pinned) {
    if (result === null) continue
    found.push(dominated(name, pin, result, facts), fewLayers(name, result.report, facts), floatShare(name, result.report, facts))
  }
  const seen = new Set<string>()
  return found.filter((one): one is Diagnosis => {
    if (one === null || seen.has(one.key)) return false
    seen.add(one.key)
    return true
  })
}

/** A linear whose output error was measured. */
type KnownLayer = LayerResult & { readonly outputError: number }

/** The few linears that make an outsized part of a recipe's summed output error, loudest first; empty when there are none. */
export function loudLayers(layers: readonly LayerResult[]): {
  readonly layers: readonly KnownLayer[]
  readonly share: number
  readonly median: number
} {
  const quantized = layers.filter((layer): layer is KnownLayer => layer.outputError !== null && layer.outputError > 0)
  const sorted = quantized.toSorted((one, other) => other.outputError - one.outputError)
  const median = sorted[Math.floor(sorted.length / 2)]?.outputError ?? 0
  const total = sorted.reduce((sum, layer) => sum + layer.outputError, 0)
  const most = Math.min(4, Math.floor(sorted.length / 8))
  let chosen: readonly KnownLayer[] = []
  let share = 0
  for (let count = 1; count <= most; count += 1) {
    const candidate = sorted.slice(0, count)
    const part = candidate.reduce((sum, layer) => sum + layer.outputError, 0) / total
    const quietest = candidate.at(-1)?.outputError ?? 0
    const before = candidate.at(-2)?.outputError ?? quietest
    if (quietest < 4 * median || quietest < before / 2) break
    if (part >= Math.max(0.1, (4 * count) / sorted.length)) {
      chosen = candidate
      share = part
    }
  }
  return { layers: chosen, share, median }
}

const countWords = ['no', 'One', 'Two', 'Three', 'Four'] as const

/** `gate and up of block 0`, `down of block 3 and q of block 7`. */
export function layersInWords(layers: readonly LayerResult[]): string {
  const byBlock = new Map<number, string[]>()
  for (const layer of layers) byBlock.set(layer.block, [...(byBlock.get(layer.block) ?? []), layer.role])
  return listed([...byBlock].map(([block, roles]) => `${listed(roles)} ${block < 0 ? 'outside the blocks' : `of block ${block}`}`))
}

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`

function fewLayers(name: string, report: RecipeReport, { results, tensors }: DiagnosisFacts): Diagnosis | null {
  const { layers, share, median } = loudLayers(report.layers)
  const quietest = layers.at(-1)
  if (quietest === undefined) return null
  const isOne = layers.length === 1
  const times = Math.floor(quietest.outputError / median)
  const wider = widerGrid(
    report,
    results.map((result) => result.report),
  )
  const names = layers.map((layer) => layer.name)
  const weights = tensors.filter((tensor) => names.includes(tensor.name)).reduce((sum, tensor) => sum + elements(tensor.shape), 0)
  const price = wider === null || weights === 0 ? '' : `, +${format.bytes((weights * wider.extraBits) / 8)}`
  const quantity = isOne ? 'it' : layers.length === 2 ? 'both' : 'them'
  return {
    key: `few-layers-${report.id}`,
    title: `${countWords[layers.length] ?? layers.length} ${isOne ? 'tensor makes' : 'tensors make'} ${format.significant(share * 100, 2)} % of ${name}’s error`,
    text: `The output error of ${layersInWords(layers)} is ${isOne ? '' : 'at least '}${times} times the median of ${report.id}.`,
    block: layers[0]?.block ?? null,
    remedy:
      wider === null
        ? null
        : { kind: 'copy', label: `Keep ${quantity} at ${wider.label}${price}`, recipe: withOverrides(report.recipe, names, wider.grid) },
  }
}

function dominated(name: string, pin: 'a' | 'b', result: Result, { results, a, b }: DiagnosisFacts): Diagnosis | null {
  const { report } = result
  const better = results
    .filter((other) => {
      const error = Math.hypot(other.report.klDivergence.meanError, report.klDivergence.meanError)
      return other.report.bytes <= report.bytes && other.report.klDivergence.mean < report.klDivergence.mean - 2 * error
    })
    .toSorted((one, other) => one.report.klDivergence.mean - other.report.klDivergence.mean)[0]
  // When the better one is the other pin, the pair beside the chart says it already.
  if (better === undefined || better === a || better === b) return null
  const less = format.significant((1 - better.report.klDivergence.mean / report.klDivergence.mean) * 100, 2)
  const saved = report.bytes - better.report.bytes
  const size = saved === 0 ? 'is as small' : `is ${format.bytes(saved)} smaller`
  return {
    key: `dominated-${report.id}`,
    title: `${name} is beaten on both counts`,
    text: `${better.recipe.id} ${size} and diverges ${less} % less from float than ${report.id}.`,
    block: null,
    remedy: { kind: 'pin', label: `Pin ${better.recipe.id} as ${name}`, pin, id: better.recipe.id },
  }
}

/** What a method could not do as asked, of every recipe: its figures are not what its name promises. */
function wentOtherwise({ report, results }: DiagnosisFacts): readonly Diagnosis[] {
  const { calibration } = report
  return results.flatMap(({ recipe, report: { layers } }) =>
    findingGroups(layers).map((group): Diagnosis => {
      const { windows, tokens } = moreWindows(calibration?.windows ?? 1, calibration?.contextLength ?? 1)
      return {
        key: `otherwise-${recipe.id}-${group.tried}`,
        title: findingTitle(recipe.id, group),
        text: findingText(group),
        block: group.layers[0]?.block ?? null,
        remedy:
          group.wantsText && calibration !== null
            ? { kind: 'calibrate', label: `Calibrate on ${format.count(windows)} windows`, tokens }
            : null,
      }
    }),
  )
}

/** Recipes that learn look better on the text they learned from. */
function overlap({ report: { calibration, evaluation } }: DiagnosisFacts): Diagnosis | null {
  if (calibration === null || calibration.sharedWithEvaluation < notableOverlap) return null
  return {
    key: 'overlap',
    title: 'Calibration and evaluation text overlap',
    text: `${format.percent(calibration.sharedWithEvaluation)} of what was calibrated on (${calibration.textName}) is in ${evaluation.textName} too: recipes that learn look better than they are. Measure on another text.`,
    block: null,
    remedy: null,
  }
}

/** More tokens than this would not change a decision anyone makes. */
const mostTokens = 5_000_000

function tooFewTokens({ report, a, b }: DiagnosisFacts): Diagnosis | null {
  if (a === null || b === null) return null
  const difference = aboveDifference(a.report, b.report, null)
  if (difference.value === 0 || !isWithinError(difference)) return null
  const { tokens } = report.evaluation
  // The error falls with the root of the tokens; three errors leave room for luck.
  const needed = Math.ceil((tokens * ((3 * difference.error) / Math.abs(difference.value)) ** 2) / 1000) * 1000
  const evidence = `They differ by ${format.significant(Math.abs(difference.value) * 100, 2)} points of perplexity, with an error of ${format.significant(difference.error * 100, 2)}, on ${format.counted(tokens, 'token')}.`
  const isHopeless = !(needed <= mostTokens)
  return {
    key: 'too-few-tokens',
    title: 'A and B cannot be told apart yet',
    text: isHopeless ? `${evidence} No text of practical length would; take the smaller.` : evidence,
    block: null,
    remedy: isHopeless ? null : { kind: 'measure', label: `Measure ${format.count(needed)} tokens`, tokens: needed },
  }
}

/** Bits of a weight that is left in half precision. */
const halfBits = 16

function floatShare(name: string, report: RecipeReport, { tensors }: DiagnosisFacts): Diagnosis | null {
  const outside = tensors.filter((tensor) => tensor.block < 0 && tensor.shape.length === 2)
  const isLeft = report.recipe.embedding === 'float' || report.recipe.head === 'float'
  const done = new Set(report.layers.filter((layer) => layer.block < 0).map((layer) => layer.name))
  const weights = outside.filter((tensor) => !done.has(tensor.name)).reduce((sum, tensor) => sum + elements(tensor.shape), 0)
  const share = (weights * halfBits) / 8 / report.bytes
  if (!isLeft || share < 0.25) return null
  const isPair = outside.length > 1
  const saved = (weights * (halfBits - report.blockBitsPerWeight)) / 8
  const recipe: Recipe = { ...report.recipe, embedding: 'grid', head: 'grid' }
  return {
    key: `float-share-${report.recipe.grid.kind}-${gridKey(report.recipe.grid)}`,
    title: `${isPair ? 'Embedding and head are' : 'The embedding is'} ${format.significant(Math.min(1, share) * 100, 2)} % of ${name}’s file`,
    text: `${isPair ? 'They stay' : 'It stays'} in 16 bits in ${report.id}. The blocks take ${format.bits(report.blockBitsPerWeight)} bits a weight.`,
    block: null,
    remedy: { kind: 'copy', label: `Quantize ${isPair ? 'both' : 'it'}, −${format.bytes(saved)}`, recipe },
  }
}

const gridKey = (grid: AxisChoice): string => JSON.stringify(grid)
