import type { BlockSpec, LinearSpec } from '../../models/model-graph.ts'

/** Linears of one input, and what makes that input: dividing the one by scales and multiplying the others leaves the block as it was. */
export interface ScaleGroup {
  readonly tap: string
  /** Role of the norm or linear before. */
  readonly source: string
  readonly linears: readonly LinearSpec[]
}

/** Every norm of the block with the linears after it. */
export function normGroups(block: BlockSpec): ScaleGroup[] {
  return tapsOf(block).flatMap(({ tap, linears }) => (tap in block.norms ? [{ tap, source: tap, linears }] : []))
}

/**
 * AWQ's pairs in the order of execution: norms, `v` before `o` where both are of one shape (heads that share a key-value head
 * would need one scale for all), `up` before `down` of a gated MLP.
 */
export function pairGroups(block: BlockSpec): ScaleGroup[] {
  return tapsOf(block).flatMap(({ tap, linears }) => {
    if (tap in block.norms) return [{ tap, source: tap, linears }]
    const [only] = linears
    const before = block.linears.find(({ role }) => role === sources[only?.role ?? ''])
    if (only === undefined || linears.length > 1 || before === undefined) return []
    const isShared = only.role === 'o' && (before.outFeatures !== only.inFeatures || before.inFeatures !== only.outFeatures)
    return isShared ? [] : [{ tap, source: before.role, linears }]
  })
}

/** The linear whose rows are the columns of another, nothing but products and sums over tokens in between. */
const sources: Readonly<Record<string, string>> = { o: 'v', down: 'up' }

function tapsOf(block: BlockSpec): { readonly tap: string; readonly linears: readonly LinearSpec[] }[] {
  const taps = [...new Set(block.linears.map(({ tap }) => tap))]
  return taps.map((tap) => ({ tap, linears: block.linears.filter((linear) => linear.tap === tap) }))
}

/** Checkpoint names of what scaling these groups changes. */
export function namesOf(block: BlockSpec, groups: readonly ScaleGroup[]): string[] {
  const names = groups.flatMap(({ source, linears }) => {
    const norm = block.norms[source]
    const before = block.linears.find(({ role }) => role === source)
    return [norm?.name, before?.weight, before?.bias, block.norms[`${source}.bias`]?.name, ...linears.map(({ weight }) => weight)]
  })
  return [...new Set(names.filter((name) => typeof name === 'string'))]
}
