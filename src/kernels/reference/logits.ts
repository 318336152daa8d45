import type { LogitState, LogitTile } from '../contract/kernels.ts'

/** Index of the largest value of a row, the first where several are; -1 when none exceeds -Infinity. */
function argMaxOf(row: Float32Array): number {
  let at = -1
  let largest = -Infinity
  for (let i = 0; i < row.length; i++) {
    const value = row[i] ?? 0
    if (value > largest) {
      largest = value
      at = i
    }
  }
  return at
}

/** What sums over exp(l - before) are multiplied with to be sums over exp(l - after). */
function rescale(before: number, after: number): number {
  return before === after ? 1 : Math.exp(before - after)
}

/** Online softmax sums (Milakov and Gimelshein, 2018), in f64. */
export function accumulateLogits(state: LogitState, tile: LogitTile): LogitState {
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
    const float = tile.float.subarray(token * tile.width, (token + 1) * tile.width)
    const recipe = tile.recipe.subarray(token * tile.width, (token + 1) * tile.width)
    addToken(next, { token, float, recipe, vocabStart: tile.vocabStart })
    const target = (tile.targets[token] ?? -1) - tile.vocabStart
    if (target >= 0 && target < tile.width) {
      next.floatTarget[token] = float[target] ?? 0
      next.recipeTarget[token] = recipe[target] ?? 0
    }
  }
  return next
}

interface TokenRow {
  readonly token: number
  readonly float: Float32Array
  readonly recipe: Float32Array
  readonly vocabStart: number
}

function addToken(state: LogitState, { token, float, recipe, vocabStart }: TokenRow): void {
  const floatAt = argMaxOf(float)
  const floatBefore = state.floatMax[token] ?? -Infinity
  if (floatAt >= 0 && (float[floatAt] ?? 0) > floatBefore) {
    state.floatMax[token] = float[floatAt] ?? 0
    state.floatArgMax[token] = vocabStart + floatAt
  }
  const recipeAt = argMaxOf(recipe)
  const recipeBefore = state.recipeMax[token] ?? -Infinity
  if (recipeAt >= 0 && (recipe[recipeAt] ?? 0) > recipeBefore) {
    state.recipeMax[token] = recipe[recipeAt] ?? 0
    state.recipeArgMax[token] = vocabStart + recipeAt
  }
  const floatMax = state.floatMax[token] ?? 0
  const recipeMax = state.recipeMax[token] ?? 0
  // While every logit so far is -Infinity the largest one cannot be subtracted.
  const floatBase = floatMax === -Infinity ? 0 : floatMax
  const recipeBase = recipeMax === -Infinity ? 0 : recipeMax
  let floatSum = 0
  let recipeSum = 0
  let weighted = 0
  for (let i = 0; i < float.length; i++) {
    const l = float[i] ?? 0
    const r = recipe[i] ?? 0
    const e = Math.exp(l - floatBase)
    floatSum += e
    recipeSum += Math.exp(r - recipeBase)
    // A logit of -Infinity has probability 0 and adds 0, where 0 * -Infinity would add NaN.
    weighted += e === 0 ? 0 : e * (l - r)
  }
  const floatFactor = rescale(floatBefore, floatMax)
  state.floatSum[token] = (state.floatSum[token] ?? 0) * floatFactor + floatSum
  state.weighted[token] = (state.weighted[token] ?? 0) * floatFactor + weighted
  state.recipeSum[token] = (state.recipeSum[token] ?? 0) * rescale(recipeBefore, recipeMax) + recipeSum
}
