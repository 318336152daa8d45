/** Super-blocks of ggml's IQ2 and IQ3 types: groups of weights as signs and points of a code book, each with a scale of 4 bits. */
import { subBlock, superBlock } from './k-blocks.ts'
import { type LatticeFit, type LatticeSearch, type Magnitudes, searchLattice } from './lattice-search.ts'
import { nearestInt } from './searches.ts'

const f = Math.fround

/** A group ready to be written. */
export interface LatticeGroup {
  readonly indices: readonly number[]
  /** A byte for every 8 weights, bit i set when weight i is negative. */
  readonly signs: readonly number[]
}

export interface LatticeBlock {
  /** Null for groups of which nothing is written. */
  readonly groups: readonly (LatticeGroup | null)[]
  /** Scale codes of the groups, 0 .. 15. */
  readonly scales: readonly number[]
  /** Unit of the odd numbers 2 code + 1; 0 when every scale is 0. */
  readonly unit: number
}

export interface LatticeLayout extends LatticeSearch {
  /** Weights that share a scale. */
  readonly groupSize: 16 | 32
  /** 7 signs of 8 are stored and the number of negative ones is even, so that the last follows. */
  readonly isEvenSigned: boolean
}

/** Weights of 8 without signs; when their number must be even, the weight that counts least gives up its own. */
function splitEight(x: Float32Array, weights: Float32Array, isEvenSigned: boolean): { values: Float32Array; signs: number } {
  const values = x.map((value) => (value >= 0 ? value : -value))
  let signs = 0
  for (const [i, value] of x.entries()) if (!(value >= 0)) signs |= 1 << i
  if (!isEvenSigned || x.filter((value) => !(value >= 0)).length % 2 === 0) return { values, signs }
  const costs = x.map((value, i) => f(f((weights[i] ?? 0) * value) * value))
  const least = costs.reduce((chosen, cost, i) => (cost < (costs[chosen] ?? 0) ? i : chosen), 0)
  values[least] = -(values[least] ?? 0)
  return { values, signs: signs ^ (1 << least) }
}

/** Signs of every 8 and what is left for the search. */
function splitSigns(x: Float32Array, weights: Float32Array, isEvenSigned: boolean): { parts: Magnitudes; signs: number[] } {
  const values = new Float32Array(x.length)
  const signs: number[] = []
  for (let at = 0; at < x.length; at += 8) {
    const eight = splitEight(x.subarray(at, at + 8), weights.subarray(at, at + 8), isEvenSigned)
    values.set(eight.values, at)
    signs.push(eight.signs)
  }
  return { parts: { values, weights, roots: weights.map((weight) => f(Math.sqrt(weight))) }, signs }
}

function groupOf(fit: LatticeFit | null, signs: readonly number[], isEvenSigned: boolean): LatticeGroup | null {
  if (fit === null) return null
  const turn = fit.scale < 0 ? 0xff : 0
  return { indices: fit.indices, signs: signs.map((byte) => (byte ^ turn) & (isEvenSigned ? 0x7f : 0xff)) }
}

/** Groups and scales of a super-block, whose elements count by `weights`. */
export function encodeLattice(values: Float32Array, weights: Float32Array, layout: LatticeLayout): LatticeBlock {
  const { groupSize, isEvenSigned } = layout
  const found = Array.from({ length: superBlock / groupSize }, (_, j) => {
    const { parts, signs } = splitSigns(subBlock(values, j, groupSize), subBlock(weights, j, groupSize), isEvenSigned)
    const fit = searchLattice(parts, layout)
    return { group: groupOf(fit, signs, isEvenSigned), scale: Math.abs(fit?.scale ?? 0) }
  })
  const largest = found.reduce((most, { scale }) => Math.max(most, scale), 0)
  const unit = f(largest / 31)
  const inverse = f(1 / unit)
  return {
    groups: found.map(({ group }) => group),
    scales: found.map(({ scale }) => (largest === 0 ? 0 : Math.max(0, Math.min(15, nearestInt(f(0.5 * f(f(inverse * scale) - 1))))))),
    unit: largest === 0 ? 0 : unit,
  }
}

/** 7 signs and the eighth that makes their number even. */
export function evenSigns(seven: number): number {
  let bits = seven ^ (seven >>> 4)
  bits ^= bits >>> 2
  bits ^= bits >>> 1
  return seven | ((bits & 1) << 7)
}

/** Levels of a point times a scale, with signs from bit `firstSign` on; in the order ggml multiplies. */
export function writeLevels(
  values: Float32Array,
  at: number,
  levels: readonly number[],
  { scale, signs, firstSign = 0 }: { readonly scale: number; readonly signs: number; readonly firstSign?: number },
): void {
  for (const [i, level] of levels.entries()) values[at + i] = f(scale * level) * ((signs >>> (firstSign + i)) & 1 ? -1 : 1)
}
