import type { BlockSpec, LinearSpec } from '../../models/model-graph.ts'
import type { LayerActivations } from '../rounding.ts'
import { scaleColumns } from '../scaling/scaled-block.ts'
import type { BlockTensors, TransformedBlock } from '../transform.ts'
import { transposed } from '../transposed.ts'
import { divideOrZero } from './rotated-ends.ts'
import type { Rotation } from './rotation.ts'

type Floats = Float32Array<ArrayBuffer>

export interface BlockRotations {
  /** Of the hidden states, which are then those of the rotated model from the embedding to the head; `null`: they stay. */
  readonly states: Rotation | null
  /** Of the values of every head between `v` and `o`. */
  readonly heads: Rotation
}

/**
 * A block on rotated hidden states h Q: gains of the norms go into the linears after them, which read (x / rms) Q and so become
 * W diag(g) Q, and the linears that add to h become Q^T W. Within a head, values V H meet an `o` that takes the H back: what
 * attention does between the two are sums over tokens. (Ashkboos et al. 2024, QuaRot, without what it does at run time.)
 */
export function rotateBlock(block: BlockSpec, tensors: BlockTensors, rotations: BlockRotations): TransformedBlock {
  const { states, heads } = rotations
  const result: Record<string, Floats> = { ...tensors }
  for (const linear of block.linears) {
    const gain = gainOf(block, linear.tap, tensors)
    for (const [role, values] of rotateLinear(linear, { tensors, gain, states, heads })) result[role] = values
  }
  if (states !== null) for (const role of Object.keys(block.norms)) result[role] = new Float32Array(states.size).fill(1)
  const linears = new Map(block.linears.map((linear) => [linear.role, linear]))
  return {
    tensors: result,
    modes: {},
    findings: new Map(),
    activationsOf: (tap, seen) => activationsOf(seen, inputsOf(block, tap, tensors, rotations)),
    importanceOf(tap, importance) {
      const { gain, rotation } = inputsOf(block, tap, tensors, rotations)
      if (rotation === null) return importance
      return rotation.squares(gain === null ? importance : divideOrZero(importance, squaresOf(gain)))
    },
    restore(role, values) {
      const linear = linears.get(role)
      return linear === undefined ? values : restoreLinear(linear, values, { gain: gainOf(block, linear.tap, tensors), states, heads })
    },
  }
}

/** Checkpoint names of what `rotateBlock` changes. */
export function rotatedNames({ linears, norms }: BlockSpec, scope: 'model' | 'heads'): string[] {
  if (scope === 'model') {
    const biases = linears.flatMap(({ tap, role, bias }) => (bias === null || (tap in norms && role !== 'v') ? [] : [bias]))
    return [...Object.values(norms).map(({ name }) => name), ...linears.map(({ weight }) => weight), ...biases]
  }
  return linears.flatMap(({ role, weight, bias }) => {
    if (role === 'v') return bias === null ? [weight] : [weight, bias]
    return role === 'o' ? [weight] : []
  })
}

interface LinearRotations extends BlockRotations {
  /** Of the norm whose outputs the linear reads, `null` for linears of other inputs. */
  readonly gain: Floats | null
}

/** What becomes of a linear's tensors, by role in the block. */
function rotateLinear(
  { role, inFeatures, outFeatures, bias }: LinearSpec,
  { tensors, gain, states, heads }: LinearRotations & { readonly tensors: BlockTensors },
): [string, Floats][] {
  let weight = tensors[role] ?? new Float32Array(outFeatures * inFeatures)
  let shift = bias === null ? null : (tensors[`${role}.bias`] ?? new Float32Array(outFeatures))
  if (role === 'v') {
    weight = heads.columns(weight, inFeatures)
    shift &&= heads.rows(shift)
  }
  if (role === 'o') weight = heads.rows(weight)
  if (states !== null && gain !== null) weight = states.rows(scaleColumns(weight, gain))
  if (states !== null && gain === null) {
    weight = states.columns(weight, inFeatures)
    shift &&= states.rows(shift)
  }
  return shift === null
    ? [[role, weight]]
    : [
        [role, weight],
        [`${role}.bias`, shift],
      ]
}

/** Undoes `rotateLinear` for the weight, in its order backwards. */
function restoreLinear({ role, inFeatures }: LinearSpec, values: Floats, { gain, states, heads }: LinearRotations): Floats {
  let weight = values
  if (states !== null) weight = gain === null ? states.columnsBack(weight, inFeatures) : divideOrZero(states.rowsBack(weight), gain)
  if (role === 'o') weight = heads.rowsBack(weight)
  if (role === 'v') weight = heads.columnsBack(weight, inFeatures)
  return weight
}

function gainOf({ norms }: BlockSpec, tap: string, tensors: BlockTensors): Floats | null {
  return tap in norms ? (tensors[tap] ?? null) : null
}

/** How the inputs of a tap change: divided by the gain, then rotated. */
function inputsOf(
  block: BlockSpec,
  tap: string,
  tensors: BlockTensors,
  { states, heads }: BlockRotations,
): { readonly gain: Floats | null; readonly rotation: Rotation | null } {
  const gain = gainOf(block, tap, tensors)
  if (gain !== null) return { gain: states === null ? null : gain, rotation: states }
  return { gain: null, rotation: block.linears.some(({ role, tap: own }) => role === 'o' && own === tap) ? heads : null }
}

function squaresOf(gain: Floats): Floats {
  return gain.map((value) => value ** 2)
}

/** G' = Q^T D^-1 G D^-1 Q, of which the upper triangle is given and made. */
function activationsOf(
  seen: LayerActivations,
  { gain, rotation }: { readonly gain: Floats | null; readonly rotation: Rotation | null },
): LayerActivations {
  if (rotation === null) return seen
  const columns = seen.meanSquare.length
  const whole = new Float32Array(columns * columns)
  for (let i = 0; i < columns; i++) {
    for (let j = i; j < columns; j++) {
      const value = seen.gram[i * columns + j] ?? 0
      whole[i * columns + j] = value
      whole[j * columns + i] = value
    }
  }
  // Rows on both sides, since G is symmetric: first those of G D^-1, then those of its transpose.
  const rotated = (values: Floats): Floats => rotation.rows(gain === null ? values : divideOrZero(values, gain))
  const gram = rotated(transposed(rotated(whole), columns))
  const meanSquare = Float32Array.from({ length: columns }, (_, i) => Math.max(0, gram[i * columns + i] ?? 0) / seen.tokens)
  return { tokens: seen.tokens, gram, meanSquare }
}
