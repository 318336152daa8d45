import type { LogitState, LogitTile } from './contract/kernels.ts'

/** The arithmetic of a row of logits, which backends do in their own way. */
export interface LogitRows {
  /** Index in row `token` of the largest value, the first where several are; -1 when none exceeds -Infinity. */
  largestFloat(token: number): number
  largestRecipe(token: number): number
  sums(token: number, floatBase: number, recipeBase: number): LogitSums
}

/** SUM exp(l - floatBase), SUM exp(r - recipeBase), SUM exp(l - floatBase) (l - r) over a row. */
export interface LogitSums {
  readonly floatSum: number
  readonly recipeSum: number
  readonly weighted: number
}

/** What sums over exp(l - before) are multiplied with to be sums over exp(l - after). */
function rescale(before: number, after: number): number {
  return before === after ? 1 : Math.exp(before - after)
}

/** Online softmax (Milakov and Gimelshein, 2018): the running sums of each token after one more tile of the vocabulary. */
export function advanceLogits(state: LogitState, tile: LogitTile, rows: LogitRows): LogitState {
  const next: LogitState = {
    floatMax: state.floatMax.slice(),
    floatSum: state.floatSum.slice(),
    recipeMax: state.recipeMax.slice(),
    recipeSum: state.recipeSum.slice(),
    weighted: state.weighted.slice(),
    floatArgMax: state.floatArgMax.slice(),
    recipeArgMax: state.recipeArgMax.slice(),
    floatTarget: state.floatTarget.slice(),
    recipeTarget: state.recipeTarget.slice(),
  }
  for (let token = 0; token < tile.tokens; token++) {
    const row = token * tile.width
    raise(next.floatMax, next.floatArgMax, { token, row, at: rows.largestFloat(token), logits: tile.float, tile })
    raise(next.recipeMax, next.recipeArgMax, { token, row, at: rows.largestRecipe(token), logits: tile.recipe, tile })
    const floatMax = next.floatMax[token] ?? 0
    const recipeMax = next.recipeMax[token] ?? 0
    // While every logit so far is -Infinity the largest one cannot be subtracted.
    const sums = rows.sums(token, floatMax === -Infinity ? 0 : floatMax, recipeMax === -Infinity ? 0 : recipeMax)
    const floatFactor = rescale(state.floatMax[token] ?? 0, floatMax)
    next.floatSum[token] = (state.floatSum[token] ?? 0) * floatFactor + sums.floatSum
    next.weighted[token] = (state.weighted[token] ?? 0) * floatFactor + sums.weighted
    next.recipeSum[token] = (state.recipeSum[token] ?? 0) * rescale(state.recipeMax[token] ?? 0, recipeMax) + sums.recipeSum
    const target = (tile.targets[token] ?? -1) - tile.vocabStart
    if (target >= 0 && target < tile.width) {
      next.floatTarget[token] = tile.float[row + target] ?? 0
      next.recipeTarget[token] = tile.recipe[row + target] ?? 0
    }
  }
  return next
}

interface Candidate {
  readonly token: number
  readonly row: number
  /** Index in the row, -1 for none. */
  readonly at: number
  readonly logits: Float32Array
  readonly tile: LogitTile
}

function raise(max: Float64Array, argMax: Int32Array, { token, row, at, logits, tile }: Candidate): void {
  const largest = at < 0 ? -Infinity : (logits[row + at] ?? 0)
  if (largest <= (max[token] ?? 0)) return
  max[token] = largest
  argMax[token] = tile.vocabStart + at
}
