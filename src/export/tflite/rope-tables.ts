import type { ModelConfig } from '../../models/model-graph.ts'
import { ropeDivisors } from '../gguf/tensors.ts'

/** Factors of a head and of its swapped halves, [tokens, 1, headDim]: y = x * cosines + swapped(x) * signedSines. */
export interface RopeTables {
  readonly cosines: Float32Array<ArrayBuffer>
  /** The first half negative, so that swapping halves needs no sign of its own. */
  readonly signedSines: Float32Array<ArrayBuffer>
}

/** Angles in f64, as transformers' rotary embedding with linear or Llama 3 scaling. `gain` multiplies both tables. */
export function ropeTables(config: ModelConfig, tokens: number, gain = 1): RopeTables {
  const { headDim, ropeTheta, ropeScaling } = config
  const half = headDim / 2
  const divisors = ropeDivisors(config)
  const stretch = ropeScaling.kind === 'linear' ? ropeScaling.factor : 1
  const cosines = new Float32Array(tokens * headDim)
  const signedSines = new Float32Array(tokens * headDim)
  for (let token = 0; token < tokens; token++) {
    for (let column = 0; column < headDim; column++) {
      const pair = column % half
      const angle = (token / (stretch * (divisors?.[pair] ?? 1))) * ropeTheta ** ((-2 * pair) / headDim)
      cosines[token * headDim + column] = gain * Math.cos(angle)
      signedSines[token * headDim + column] = (column < half ? -gain : gain) * Math.sin(angle)
    }
  }
  return { cosines, signedSines }
}
