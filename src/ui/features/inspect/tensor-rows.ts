import type { TensorRow } from '../../../rpc/contract.ts'

export type Grouping = 'block' | 'kind'

/** `layers.0.mlp.down_proj` for `model.layers.0.mlp.down_proj.weight`: what all names share is left out. */
export const shortName = (name: string): string => name.replace(/^model\./, '').replace(/\.weight$/, '')

/** Rows whose name holds every word of the filter; by block as the model runs, or by kind across blocks. */
export function shownTensors(
  tensors: readonly TensorRow[],
  { filter, grouping }: { readonly filter: string; readonly grouping: Grouping },
): readonly TensorRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const found = tensors.filter((tensor) => words.every((word) => tensor.name.toLowerCase().includes(word)))
  if (grouping === 'block') return found
  const roles = [...new Set(tensors.map((tensor) => tensor.role))]
  return found.toSorted((one, other) => roles.indexOf(one.role) - roles.indexOf(other.role) || one.block - other.block)
}

export interface BytesPart {
  readonly title: string
  readonly sizeBytes: number
  readonly share: number
}

const attention: readonly string[] = ['q', 'k', 'v', 'o']

/** Where the bytes are: feed-forward, attention, embedding, head, and the little rest. Largest first; the rest last. */
export function bytesByPart(tensors: readonly TensorRow[]): readonly BytesPart[] {
  const total = tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0)
  const part = (title: string, isIn: (tensor: TensorRow) => boolean): BytesPart & { readonly count: number } => {
    const members = tensors.filter(isIn)
    const sizeBytes = members.reduce((sum, tensor) => sum + tensor.sizeBytes, 0)
    return { title, sizeBytes, share: sizeBytes / Math.max(1, total), count: members.length }
  }
  const isLinear = (tensor: TensorRow): boolean => tensor.block >= 0 && tensor.isQuantizable
  const parts = [
    part('Feed-forward', (tensor) => isLinear(tensor) && !attention.includes(tensor.role)),
    part('Attention', (tensor) => isLinear(tensor) && attention.includes(tensor.role)),
    part('Embedding', (tensor) => tensor.role === 'embedding'),
    part('Head', (tensor) => tensor.role === 'head'),
  ].toSorted((one, other) => other.sizeBytes - one.sizeBytes)
  const rest = part('Norms and biases', (tensor) => !isLinear(tensor) && tensor.role !== 'embedding' && tensor.role !== 'head')
  return [...parts, rest]
    .filter((entry) => entry.count > 0)
    .map(({ title, sizeBytes, share, count }) => ({ title: count > 1 ? `${title}, ${count} tensors` : title, sizeBytes, share }))
}
