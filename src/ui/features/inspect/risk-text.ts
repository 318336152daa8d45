import type { Recipe, TensorOverride } from '../../../quantization/recipe.ts'
import type { LayerRisk, RiskCheck } from '../../../rpc/contract.ts'
import { bits, count, percent, significant } from '../../format/numbers.ts'
import { shortName } from './tensor-rows.ts'

/** Something worth knowing before a run, with the better recipe where there is one. */
export interface Risk {
  readonly key: string
  readonly title: string
  readonly text: string
  readonly remedy: { readonly label: string; readonly recipe: Recipe } | null
}

/** A channel from which on the group that holds it loses visible precision: 3 of 4 bits and more. */
const loud = 8
/** Error over that of the median matrix from which one matrix stands out. */
const outstanding = 1.5
/** A change that leaves more of the error than this is not worth a sentence. */
const worthwhile = 0.93
/** Bits a weight that nobody notices in a file. */
const sameSize = 0.03

/** In words: ranges that waste the grid, loud channels, matrices that lose most. Empty when nothing stands out. */
export function risksOf(check: RiskCheck, recipe: Recipe): readonly Risk[] {
  return [...wastedRange(check), ...loudChannels(check), ...losers(check, recipe)]
}

function wastedRange({ remedies, layers }: RiskCheck): readonly Risk[] {
  const good = remedies.filter(({ errorRatio }) => errorRatio <= worthwhile)
  // What costs nothing goes first, whatever more bits would win besides.
  const best = good.find(({ extraBits }) => extraBits <= sameSize) ?? good[0]
  if (best === undefined) return []
  const isFree = best.extraBits <= sameSize
  const price = isFree ? 'at the same size' : `for ${bits(best.extraBits)} bit/weight more`
  return [
    {
      key: 'range',
      title: 'Outer weights waste part of the grid',
      text: `Few outer weights set the steps for all that share their scale. In the ${count(layers.length)} matrices looked at, “${best.label}” loses ${percent(1 - best.errorRatio)} less ${price}.`,
      remedy: { label: `${best.label}${isFree ? '' : `, +${bits(best.extraBits)} bit`}`, recipe: best.recipe },
    },
  ]
}

function loudChannels({ layers, transforms }: RiskCheck): readonly Risk[] {
  const found = layers.filter(({ outlierRatio }) => outlierRatio >= loud).toSorted((a, b) => b.outlierRatio - a.outlierRatio)
  const [first] = found
  if (first === undefined) return []
  const [transform] = transforms
  const where = found.length === 1 ? 'One matrix has' : `${count(found.length)} matrices have`
  return [
    {
      key: 'channels',
      title: `${where} input channels far louder than the rest`,
      text: `In ${shortName(first.name)} channel ${count(first.loudestChannel)} reaches ${significant(first.outlierRatio, 2)} times the median. What shares a scale with it keeps little precision.`,
      remedy: transform === undefined ? null : { label: `${transform.title} first`, recipe: transform.recipe },
    },
  ]
}

function losers({ layers }: RiskCheck, recipe: Recipe): readonly Risk[] {
  const errors = layers.flatMap(({ relativeError }) => (relativeError === null ? [] : [relativeError])).toSorted((a, b) => a - b)
  const median = errors[Math.floor(errors.length / 2)] ?? 0
  const errorOf = ({ relativeError }: LayerRisk): number => relativeError ?? 0
  const found = layers.filter((layer) => errorOf(layer) > outstanding * median).toSorted((a, b) => errorOf(b) - errorOf(a))
  const [first] = found
  if (first === undefined || median === 0) return []
  const overrides = found.map(({ name }): TensorOverride => ({ match: name, grid: 'float' }))
  return [
    {
      key: 'losers',
      title: found.length === 1 ? 'One matrix will lose most' : `${count(found.length)} matrices will lose most`,
      text: `${found.map(({ name }) => shortName(name)).join(', ')}: ${percent(errorOf(first))} of the weights' size is lost in ${shortName(first.name)}, ${percent(median)} in the median matrix.`,
      remedy: {
        label: found.length === 1 ? 'Keep it in float' : 'Keep them in float',
        recipe: { ...recipe, id: `${recipe.id.slice(0, 70)}-kept`, overrides: [...overrides, ...recipe.overrides] },
      },
    },
  ]
}

/** One sentence of what was looked at and found in the middle. */
export function riskSummary({ layers, linears }: RiskCheck): string {
  const errors = layers.flatMap(({ relativeError }) => (relativeError === null ? [] : [relativeError])).toSorted((a, b) => a - b)
  const median = errors[Math.floor(errors.length / 2)]
  const seen = `Some rows of ${count(layers.length)} of ${count(linears)} matrices were looked at`
  return median === undefined ? `${seen}.` : `${seen}; rounding to nearest loses ${percent(median)} of the median one.`
}
