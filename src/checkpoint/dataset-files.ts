import { StudioError } from '../core/errors.ts'
import type { DatasetAddress } from './dataset-address.ts'

/** Files of one split of one subset of a data set, in order. */
export interface DatasetSplit {
  /** `default` where the set has no subsets. */
  readonly config: string
  readonly split: string
  readonly paths: readonly string[]
}

const readable = /\.(parquet|jsonl|ndjson|json)(\.gz)?$/
/** Split names of the Hub, and what files call them. */
const splitWords = ['train', 'validation', 'valid', 'dev', 'test']
const defaultConfig = 'default'

/**
 * The splits that a set's files make. Either `CONFIG/SPLIT/0000.parquet`, the layout of the Hub's own conversion, or a split's
 * name in the file's name or in a folder (`CONFIG/train-00000-of-00002.parquet`, `data/train/0.jsonl`); files that name none
 * are `train`. Files in other formats are left aside. Pure.
 */
export function splitsOf(paths: readonly string[]): DatasetSplit[] {
  const found = new Map<string, { readonly config: string; readonly split: string; readonly paths: string[] }>()
  for (const path of [...paths].sort()) {
    const place = readable.test(path) ? placeOf(path) : null
    if (place === null) continue
    const key = `${place.config}\n${place.split}`
    const group = found.get(key) ?? { ...place, paths: [] }
    group.paths.push(path)
    found.set(key, group)
  }
  return [...found.values()].map((group) => ({ ...group, paths: ofOneFormat(group.paths) }))
}

/** Parquet, where a set has its rows twice. */
function ofOneFormat(paths: readonly string[]): readonly string[] {
  const parquet = paths.filter((path) => path.endsWith('.parquet'))
  return parquet.length > 0 ? parquet : paths
}

function placeOf(path: string): { readonly config: string; readonly split: string } | null {
  const folders = path.split('/')
  const name = folders.pop() ?? ''
  // `partial-train` holds the first gigabytes of a split too large to be converted whole.
  const converted = /^\d{4,}\.parquet$/.test(name) && folders.length === 2 ? folders : null
  if (converted !== null) return { config: converted[0] ?? '', split: (converted[1] ?? '').replace(/^partial-/, '') }
  // dataset_infos.json and the like describe a set.
  if (/^(dataset_infos?|state|config|package|dataset_dict)\.json$/.test(name)) return null
  const stem = name.replace(readable, '').replace(/([-.]\d{5}-of-\d{5}.*|[-_.]\d+)$/, '')
  const named = splitIn(stem) ?? folders.map(splitIn).find((split) => split !== null) ?? null
  const config = folders.find((folder) => folder !== 'data' && splitIn(folder) === null)
  return { config: config ?? defaultConfig, split: named ?? 'train' }
}

/** `train`, `c4-train`, `train_sft` name a split; `training` does not. */
function splitIn(name: string): string | null {
  const word = splitWords.find((split) => new RegExp(`(^|[-_.])${split}($|[-_.])`).test(name))
  if (word === undefined) return null
  // A prefix is the set's name; what follows makes another split: `train_sft`.
  return name.slice(name.search(new RegExp(`${word}($|[-_.])`)))
}

/**
 * The split that an address asks for; where it leaves that open, the first subset, and the first of `preferred` that it has, or
 * its first split. Throws `usage` naming what there is.
 */
export function chooseSplit(splits: readonly DatasetSplit[], address: DatasetAddress, preferred: readonly string[]): DatasetSplit {
  if (splits.length === 0) {
    throw new StudioError('usage', {
      title: 'This data set has no text that can be read here',
      message: `${address.repo} has neither Parquet files nor JSON lines.`,
      remedy: 'Choose another set, or download its text and give it as a file.',
      details: { repo: address.repo },
    })
  }
  const configs = [...new Set(splits.map(({ config }) => config))]
  const config = address.config ?? (configs.includes(defaultConfig) ? defaultConfig : configs[0])
  const mine = splits.filter((split) => split.config === config)
  if (mine.length === 0) throw absent(address, 'subset', { asked: config ?? '', there: configs })
  const names = mine.map(({ split }) => split)
  const asked = address.split ?? preferred.find((name) => names.includes(name)) ?? names[0]
  const chosen = mine.find(({ split }) => split === asked)
  if (chosen === undefined) throw absent(address, 'split', { asked: asked ?? '', there: names })
  return chosen
}

/** Names that a refusal lists before it says how many more there are. */
const namesListed = 12

function absent(
  { repo }: DatasetAddress,
  what: 'subset' | 'split',
  { asked, there }: { readonly asked: string; readonly there: readonly string[] },
): StudioError {
  const more = there.length > namesListed ? ` and ${there.length - namesListed} more` : ''
  return new StudioError('usage', {
    title: `No such ${what}`,
    message: `${repo} has no ${what} "${asked}"; it has ${there.slice(0, namesListed).join(', ')}${more}.`,
    remedy: `Choose one of them.`,
    details: { repo, asked },
  })
}
