import { StudioError, throwIfAborted } from '../core/errors.ts'
import { readSafetensorsHeader, type SafetensorsEntry } from '../formats/safetensors/header.ts'
import type { ShardIndex } from '../formats/safetensors/shard-index.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { RawConfig } from '../models/family.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import { familyFor } from '../models/registry.ts'
import type { Checkpoint } from './checkpoint.ts'
import { fingerprint, type HashedFile } from './fingerprint.ts'
import { locateFolder, locateGguf, locateWeights } from './locate.ts'
import { matchTensors } from './match-tensors.ts'
import { SafetensorsCheckpoint } from './safetensors-checkpoint.ts'
import type { SourceFormat } from './source-format.ts'
import { sourceFormats } from './source-formats.ts'
import type { StoredTensor } from './stored-tensor.ts'
import { readJson, readTokenizerFiles, tokenizerExtent } from './text-files.ts'

export interface OpenRequest {
  /** Folder name, Hub id or sample id, for display. */
  readonly name: string
  readonly originKind: Checkpoint['origin']['kind']
  /** By path inside what was given; the model may be in a folder inside. */
  readonly files: ReadonlyMap<string, ByteSource>
  /** Told after each header; default none. */
  readonly onProgress?: (progress: HeaderProgress) => void
}

export interface HeaderProgress {
  readonly filesDone: number
  readonly files: number
  /** Header bytes so far. */
  readonly bytesRead: number
}

/** Headers read at a time: enough to hide a hub's latency, few enough for its manners. */
const parallelHeaders = 4

/**
 * Opens a model: reads the small files and the headers of the weights, and checks them against each other. No tensor is
 * read (the fingerprint of local files samples 4 kB of each). Throws `StudioError`: `file-missing` (with `details.missing`,
 * to be completed and tried again), `file-damaged`, `config-invalid`, `tokenizer-invalid`, `unsupported-architecture`,
 * `unsupported-dtype`, `config-contradicts-tensors`, hub codes, `aborted`.
 */
export async function openCheckpoint(request: OpenRequest, signal?: AbortSignal): Promise<Checkpoint> {
  const packed = locateGguf(request.files)
  if (packed !== null) {
    // Fetched by those who open such a file: the forms of every block come with it.
    const { openGguf } = await import('./gguf/open-gguf.ts')
    return openGguf({ name: request.name, originKind: request.originKind, files: packed }, signal)
  }
  const folder = locateFolder(request.files)
  const configFile = folder.files.get('config.json')
  if (configFile === undefined) throw new TypeError('the folder was chosen for its config.json')
  const { rawConfig, quantization } = splitConfig(await readJson(configFile, 'config-invalid', signal))
  const family = familyFor(rawConfig)
  const graph = family.describe(rawConfig)
  const tokenizerFiles = await readTokenizerFiles(folder, signal)
  checkVocabulary(tokenizerExtent(tokenizerFiles.tokenizerJson), graph)
  const { shards, index } = await locateWeights(folder, request.originKind, signal)
  const files = await readHeaders(shards, request.onProgress ?? (() => undefined), signal)
  const stored = mergeHeaders(files)
  if (index !== null) checkIndex(index, stored)
  const { tensors, quantized, notes } = matchTensors(graph, stored, (spec) =>
    quantization === null ? null : quantization.format.open(spec, (name) => stored.get(name), quantization.settings),
  )
  const config = await configFile.read(0, configFile.sizeBytes, signal)
  return new SafetensorsCheckpoint({
    name: request.name,
    origin: { kind: request.originKind, fingerprint: await fingerprint(config, files, signal) },
    family,
    graph,
    rawConfig,
    tokenizerFiles,
    notes: [...(family.notes?.(rawConfig) ?? []), ...quantizedNotes(quantization, quantized.size), ...notes],
    stored: tensors,
    quantized,
  })
}

interface Quantization {
  readonly format: SourceFormat
  readonly settings: Readonly<Record<string, unknown>>
}

/**
 * config.json without `quantization_config`, where that names a form which opens: the model is then the one that the codes stand
 * for, and what is written of it must not claim that form. Others stay, for the family to refuse.
 */
function splitConfig(config: RawConfig): { readonly rawConfig: RawConfig; readonly quantization: Quantization | null } {
  const { quantization_config: settings, ...rawConfig } = config
  if (typeof settings !== 'object' || settings === null || !('quant_method' in settings)) return { rawConfig: config, quantization: null }
  const format = sourceFormats.find(({ method }) => method === settings.quant_method)
  if (format === undefined) return { rawConfig: config, quantization: null }
  return { rawConfig, quantization: { format, settings: { ...settings } } }
}

function quantizedNotes(quantization: Quantization | null, count: number): string[] {
  if (quantization === null || count === 0) return []
  const matrices = count === 1 ? 'One matrix is' : `${count} matrices are`
  return [
    `${matrices} stored in the ${quantization.format.title} form: what the studio starts from, and calls float, are the values of those codes.`,
  ]
}

async function readHeaders(
  shards: readonly ByteSource[],
  onProgress: (progress: HeaderProgress) => void,
  signal?: AbortSignal,
): Promise<readonly HashedFile[]> {
  const files: HashedFile[] = []
  let filesDone = 0
  let bytesRead = 0
  const readNext = async (at: number): Promise<void> => {
    const source = shards[at]
    if (source === undefined) return
    throwIfAborted(signal)
    const header = await readSafetensorsHeader(source, signal)
    files[at] = { source, header }
    filesDone += 1
    bytesRead += header.dataStart
    onProgress({ filesDone, files: shards.length, bytesRead })
    await readNext(at + parallelHeaders)
  }
  onProgress({ filesDone, files: shards.length, bytesRead })
  // All are awaited, so that no rejection of a sibling goes unhandled; the first fault is the one told.
  const lanes = await Promise.allSettled(Array.from({ length: parallelHeaders }, (_, lane) => readNext(lane)))
  for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason
  return files
}

function mergeHeaders(files: readonly HashedFile[]): ReadonlyMap<string, StoredTensor> {
  const stored = new Map<string, StoredTensor>()
  for (const { source, header } of files) {
    for (const entry of header.tensors.values()) {
      const other = stored.get(entry.name)
      if (other !== undefined) throw contradiction(source.name, `Tensor ${entry.name} is in ${other.source.name} and in ${source.name}.`)
      stored.set(entry.name, { ...entry, source })
    }
  }
  return stored
}

function checkIndex(index: ShardIndex, stored: ReadonlyMap<string, SafetensorsEntry & { readonly source: ByteSource }>): void {
  for (const [tensor, file] of index.fileOf) {
    const found = stored.get(tensor)
    if (found === undefined) throw contradiction(file, `The index says that ${file} holds tensor ${tensor}, but no file does.`)
  }
}

function contradiction(file: string, message: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'These files do not belong together',
    message,
    remedy: 'Fetch the model again; files of two versions were probably mixed.',
    details: { file },
  })
}

function checkVocabulary(extent: number, graph: ModelGraph): void {
  const { vocab } = graph.config
  if (extent <= vocab) return
  throw new StudioError('config-contradicts-tensors', {
    title: 'The tokenizer does not fit the model',
    message: `tokenizer.json knows ${extent} tokens, the model has embeddings for ${vocab} (vocab_size in config.json).`,
    remedy: 'Use the tokenizer.json that belongs to these weights.',
    details: { tokenizer: extent, vocab },
  })
}
