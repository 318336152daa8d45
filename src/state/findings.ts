import type { Finding } from '../core/finding.ts'
import type { LayerResult } from '../evaluation/result.ts'

/** What went otherwise in the same way in several layers of a recipe. */
export interface FindingGroup {
  readonly tried: string
  readonly isFallback: boolean
  readonly wantsText: boolean
  /** Of the first layer; numbers in it differ from layer to layer. */
  readonly cause: string
  readonly remedy: string
  readonly layers: readonly Pick<LayerResult, 'name' | 'block' | 'role'>[]
}

/** Findings of layers, each sort once; those where the method was not used at all come first. */
export function findingGroups(layers: readonly LayerResult[]): readonly FindingGroup[] {
  const groups = new Map<string, { readonly finding: Finding; readonly layers: LayerResult[] }>()
  for (const layer of layers) {
    for (const finding of layer.findings ?? []) {
      const key = `${finding.tried}\n${finding.remedy}`
      const group = groups.get(key) ?? { finding, layers: [] }
      groups.set(key, group)
      group.layers.push(layer)
    }
  }
  return [...groups.values()]
    .map(({ finding, layers: members }) => ({
      tried: finding.tried,
      isFallback: finding.isFallback ?? false,
      wantsText: finding.wantsText ?? false,
      cause: finding.cause,
      remedy: finding.remedy,
      layers: members,
    }))
    .toSorted((one, other) => Number(other.isFallback) - Number(one.isFallback))
}

export function findingTitle(id: string, { isFallback, layers }: FindingGroup): string {
  const where = layers.length === 1 ? '1 layer' : `${layers.length} layers`
  return isFallback ? `${id} fell back in ${where}` : `${id} needed a workaround in ${where}`
}

export function findingText({ cause, tried, remedy, layers }: FindingGroup): string {
  const [first, ...others] = layers
  const more = others.length === 0 ? '' : ` The same in ${others.length} more.`
  return `${shortLayerName(first?.name ?? '')}: ${cause} ${tried}${more} ${remedy}`
}

/** Names as people say them: without what all of them share. */
export const shortLayerName = (name: string): string => name.replace(/^model\./, '').replace(/\.weight$/, '')

/** How many times the text that was not enough. */
const times = 8

/** Enough more windows for another attempt. */
export function moreWindows(windows: number, contextLength: number): { readonly windows: number; readonly tokens: number } {
  return { windows: windows * times, tokens: windows * times * contextLength }
}
