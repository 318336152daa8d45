import { StudioError } from '../core/errors.ts'
import { parseShardIndex, type ShardIndex, shardSet } from '../formats/safetensors/shard-index.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { readText } from '../io/read-text.ts'

export type FileMap = ReadonlyMap<string, ByteSource>

/** A shard index of the largest published models is 10 MB; protects memory from a wrong file under its name. */
const maxIndexBytes = 128_000_000

const indexName = 'model.safetensors.index.json'

/** The files of one model, by their names inside its folder. */
export interface ModelFolder {
  readonly files: FileMap
}

export interface WeightFiles {
  readonly shards: readonly ByteSource[]
  /** `null` for a single file, and for a whole set without its index. */
  readonly index: ShardIndex | null
}

/**
 * The folder that holds config.json: where the files were dropped, or a folder inside. Throws `file-missing` when there is
 * none, `usage` when several folders have one.
 */
export function locateFolder(files: FileMap): ModelFolder {
  const paths = [...files.keys()]
  const roots = paths.filter((path) => baseName(path) === 'config.json').map((path) => path.slice(0, -'config.json'.length))
  const depth = Math.min(...roots.map((root) => root.split('/').length))
  const outermost = roots.filter((root) => root.split('/').length === depth)
  const [root] = outermost
  if (root === undefined) throw missingConfig()
  if (outermost.length > 1) {
    throw new StudioError('usage', {
      title: 'Several models were given at once',
      message: `config.json is in ${outermost.map((folder) => folder.slice(0, -1)).join(' and in ')}.`,
      remedy: 'Open one folder at a time.',
      details: { folders: outermost.join('\n') },
    })
  }
  const inside = [...files].filter(([path]) => path.startsWith(root)).map(([path, source]) => [path.slice(root.length), source] as const)
  return { files: new Map(inside) }
}

/**
 * A GGUF file, or the parts of one in order, where there is no config.json; `null` where there is no such file. Throws `usage` for
 * files of several models.
 */
export function locateGguf(files: FileMap): readonly ByteSource[] | null {
  const paths = [...files.keys()].filter((path) => path.endsWith('.gguf')).sort()
  const [first] = paths
  if (first === undefined || [...files.keys()].some((path) => baseName(path) === 'config.json')) return null
  // `name-00001-of-00003.gguf`: parts sort by their numbers.
  const whole = (path: string): string => path.replace(/-\d{5}-of-\d{5}\.gguf$/, '')
  if (paths.some((path) => whole(path) !== whole(first)) || (paths.length > 1 && whole(first) === first)) {
    throw new StudioError('usage', {
      title: 'Several models were given at once',
      message: `There are ${inWords(paths.length)} GGUF files: ${paths.map(baseName).join(', ')}.`,
      remedy: 'Open one at a time; parts of one file belong together.',
      details: { files: paths.join('\n') },
    })
  }
  return paths.flatMap((path) => files.get(path) ?? [])
}

function missingConfig(): StudioError {
  return missingFile(
    'config.json',
    'Without it nobody knows how the tensors belong together.',
    'Add config.json; it lies beside the weights.',
  )
}

function missingFile(name: string, why: string, remedy: string): StudioError {
  return new StudioError('file-missing', { title: `${name} is missing`, message: why, remedy, details: { missing: name } })
}

/** Throws `file-missing` with what to do instead when tokenizer.json is not there. */
export function requireTokenizer({ files }: ModelFolder): ByteSource {
  const found = files.get('tokenizer.json')
  if (found !== undefined) return found
  const old = ['tokenizer.model', 'vocab.json', 'vocab.txt'].find((name) => files.has(name))
  throw missingFile(
    'tokenizer.json',
    old === undefined ? 'Text cannot be turned into tokens without it.' : `There is ${old}, an older form that the studio does not read.`,
    old === undefined
      ? 'Add tokenizer.json; it lies beside the weights.'
      : 'Save the tokenizer once with AutoTokenizer.from_pretrained(...).save_pretrained(...), which writes tokenizer.json.',
  )
}

/**
 * The weight files: those the index names, `model.safetensors`, the only `.safetensors` there is, or a whole numbered set.
 * Throws `file-missing`; `details.missing` lists the names, one a line, so that they can be added and opening repeated.
 */
export async function locateWeights({ files }: ModelFolder, originKind: string, signal?: AbortSignal): Promise<WeightFiles> {
  const indexFile = files.get(indexName)
  const whole = files.get('model.safetensors')
  if (indexFile !== undefined) {
    const index = parseShardIndex(await readText(indexFile, maxIndexBytes, signal), indexName)
    return { shards: requireShards(files, index.files, { namedBy: 'The index', originKind }), index }
  }
  if (whole !== undefined) return { shards: [whole], index: null }
  const names = [...files.keys()].filter((path) => path.endsWith('.safetensors') && !path.includes('/'))
  const [first] = names
  if (first === undefined) throw missingWeights([...files.keys()])
  const set = shardSet(first)
  if (set !== null && names.every((name) => set.includes(name))) {
    return { shards: requireShards(files, set, { namedBy: 'The set', originKind }), index: null }
  }
  const only = files.get(first)
  if (names.length === 1 && only !== undefined) return { shards: [only], index: null }
  throw new StudioError('file-missing', {
    title: `${indexName} is missing`,
    message: `There are ${names.length} .safetensors files and no index that says which belong to the model.`,
    remedy: `Add ${indexName}; it lies beside the weights.`,
    details: { missing: indexName, found: names.join('\n') },
  })
}

function requireShards(
  files: FileMap,
  names: readonly string[],
  { namedBy, originKind }: { readonly namedBy: string; readonly originKind: string },
): readonly ByteSource[] {
  const missing = names.filter((name) => !files.has(name))
  const [first] = missing
  if (first === undefined) return names.flatMap((name) => files.get(name) ?? [])
  const isHub = originKind === 'hub'
  const found = names.length - missing.length
  const more = missing.length === 1 ? '' : ` and ${inWords(missing.length - 1)} more`
  throw new StudioError('file-missing', {
    title: `${first}${more} ${missing.length === 1 ? 'is' : 'are'} missing`,
    message: `${namedBy} names ${inWords(names.length)} ${names.length === 1 ? 'file' : 'files'}; ${found === 0 ? 'none' : inWords(found)} ${found === 1 ? 'was' : 'were'} ${isHub ? 'in the repository' : 'dropped'}.`,
    remedy: isHub
      ? 'The repository is incomplete; try another revision or another model.'
      : `Drop the missing ${missing.length === 1 ? 'file' : 'files'} here and work continues.`,
    details: { missing: missing.join('\n'), missingCount: missing.length, expectedCount: names.length },
  })
}

function missingWeights(paths: readonly string[]): StudioError {
  const torch = paths.find((path) => /\.(bin|pt|pth|ckpt)$/.test(path))
  if (torch === undefined) {
    return missingFile(
      'The weight file',
      'There is no .safetensors file among these.',
      'Add the .safetensors files; they lie beside config.json.',
    )
  }
  return missingFile(
    'A .safetensors file',
    `The weights are in ${baseName(torch)}, a PyTorch file, which the studio does not read yet.`,
    'Look for a revision of the model with .safetensors files, or convert it with save_pretrained(...).',
  )
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

const smallNumbers = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve']

function inWords(value: number): string {
  return smallNumbers[value] ?? String(value)
}
