import type { LogitState, LogitTile } from '../contract/kernels.ts'
import { advanceLogits } from '../logit-state.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function accumulateLogits(wasm: KernelExports, arena: Arena, { state, tile }: { state: LogitState; tile: LogitTile }): LogitState {
  arena.reset()
  const float = arena.put(tile.float)
  const recipe = arena.put(tile.recipe)
  const result = arena.take(3 * 8)
  const rowBytes = tile.width * 4
  return advanceLogits(state, tile, {
    largestFloat: (token) => wasm.largestLogit(float + token * rowBytes, tile.width),
    largestRecipe: (token) => wasm.largestLogit(recipe + token * rowBytes, tile.width),
    sums(token, floatBase, recipeBase) {
      wasm.sumLogits(float + token * rowBytes, recipe + token * rowBytes, tile.width, floatBase, recipeBase, result)
      const [floatSum = 0, recipeSum = 0, weighted = 0] = arena.doubles(result, 3)
      return { floatSum, recipeSum, weighted }
    },
  })
}
