import { StudioError } from '../../core/errors.ts'

/** `model.safetensors.index.json`: which file holds which tensor. */
export interface ShardIndex {
  readonly fileOf: ReadonlyMap<string, string>
  /** File names, in name order. */
  readonly files: readonly string[]
}

/** Throws `file-damaged`. File names are as written: look them up, never resolve them as paths. */
export function parseShardIndex(text: string, name: string): ShardIndex {
  const fail = (message: string) =>
    new StudioError('file-damaged', {
      title: 'This file is damaged',
      message,
      remedy: 'Choose another file, or fetch this one again.',
      details: { file: name },
    })
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw fail(`${name} is not valid JSON.`)
  }
  const map: unknown = typeof parsed === 'object' && parsed !== null && 'weight_map' in parsed ? parsed.weight_map : null
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw fail(`${name} has no weight_map.`)
  const fileOf = new Map<string, string>()
  for (const [tensor, file] of Object.entries(map) as [string, unknown][]) {
    if (typeof file !== 'string' || file === '') throw fail(`${name} names no file for tensor ${tensor}.`)
    fileOf.set(tensor, file)
  }
  if (fileOf.size === 0) throw fail(`${name} names no tensors.`)
  return { fileOf, files: [...new Set(fileOf.values())].sort() }
}

/** `model-00002-of-00003.safetensors`: the names of all shards of its set, or `null` for other names. */
export function shardSet(name: string): readonly string[] | null {
  const match = /^(.*-)(\d{5})(-of-)(\d{5})(\.safetensors)$/.exec(name)
  const [, stem, , of, count, suffix] = match ?? []
  if (stem === undefined || of === undefined || count === undefined || suffix === undefined) return null
  const shards = Number(count)
  // Protects from a name that claims a million files.
  if (shards < 1 || shards > 10_000) return null
  return Array.from({ length: shards }, (_, i) => `${stem}${String(i + 1).padStart(5, '0')}${of}${count}${suffix}`)
}
