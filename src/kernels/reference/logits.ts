import type { LogitState, LogitTile } from '../contract/kernels.ts'
import { advanceLogits, type LogitSums } from '../logit-state.ts'

function largestAt(row: Float32Array): number {
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

function sumRow(float: Float32Array, recipe: Float32Array, floatBase: number, recipeBase: number): LogitSums {
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
  return { floatSum, recipeSum, weighted }
}

export function accumulateLogits(state: LogitState, tile: LogitTile): LogitState {
  const rowOf = (logits: Float32Array, token: number): Float32Array => logits.subarray(token * tile.width, (token + 1) * tile.width)
  return advanceLogits(state, tile, {
    largestFloat: (token) => largestAt(rowOf(tile.float, token)),
    largestRecipe: (token) => largestAt(rowOf(tile.recipe, token)),
    sums: (token, floatBase, recipeBase) => sumRow(rowOf(tile.float, token), rowOf(tile.recipe, token), floatBase, recipeBase),
  })
}
