import type { ModelConfig, RopeScaling } from './model-graph.ts'

export interface RopeTables {
  /** [positions, headDim / 2] row-major. */
  readonly cosine: Float32Array<ArrayBuffer>
  readonly sine: Float32Array<ArrayBuffer>
  readonly positions: number
}

/** Angles of positions [0, positions), computed in f64 and rounded once. */
export function ropeTables(config: ModelConfig, positions: number): RopeTables {
  const frequencies = ropeFrequencies(config)
  const cosine = new Float32Array(positions * frequencies.length)
  const sine = new Float32Array(positions * frequencies.length)
  for (let position = 0; position < positions; position++) {
    for (const [pair, frequency] of frequencies.entries()) {
      const index = position * frequencies.length + pair
      cosine[index] = Math.cos(position * frequency)
      sine[index] = Math.sin(position * frequency)
    }
  }
  return { cosine, sine, positions }
}

/** Radians a position for each of the headDim / 2 pairs, after scaling. */
export function ropeFrequencies({ headDim, ropeTheta, ropeScaling }: ModelConfig): readonly number[] {
  return Array.from({ length: headDim / 2 }, (_, pair) => scaleFrequency(ropeTheta ** ((-2 * pair) / headDim), ropeScaling))
}

/** As transformers' `modeling_rope_utils.py` defines `linear` and `llama3`. */
function scaleFrequency(frequency: number, scaling: RopeScaling): number {
  switch (scaling.kind) {
    case 'none':
      return frequency
    case 'linear':
      return frequency / scaling.factor
    case 'llama3': {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling
      const turns = (originalMaxPositions * frequency) / (2 * Math.PI)
      if (turns > high) return frequency
      if (turns < low) return frequency / factor
      const kept = (turns - low) / (high - low)
      return (1 - kept) * (frequency / factor) + kept * frequency
    }
  }
}
