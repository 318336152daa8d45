import { StudioError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import { readParquet } from '../formats/parquet/read.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { DatasetAddress } from './dataset-address.ts'
import { chooseColumn, columnsOfRecord, type TextColumn } from './dataset-column.ts'
import { chooseSplit, type DatasetSplit, splitsOf } from './dataset-files.ts'
import { type HubFiles, type HubOpenRequest, type HubProgress, openHubFiles } from './hub.ts'
import { readJsonLines } from './json-lines.ts'

/** Branch on which the Hub keeps every set as Parquet, `CONFIG/SPLIT/0000.parquet`. */
export const convertedBranch = 'refs/convert/parquet'

export interface DatasetRequest extends Omit<HubOpenRequest, 'id' | 'kind'> {
  readonly address: DatasetAddress
  /** The first of them that the set has is taken when the address names no split. */
  readonly preferredSplits: readonly string[]
}

export interface Dataset {
  /** `owner/name wikitext-2-raw-v1 train @b08601e`: what a report needs to name it again. */
  readonly name: string
  readonly split: DatasetSplit
  readonly column: string
  /**
   * Values of the column: strings, or lists of records for conversations. With a seed they begin at a row that it draws and
   * end where they began; without, they are the split from front to back. Only what is asked for is fetched: a row group, or
   * pages, of this column at a time. Throws the Hub's codes, `file-damaged`, `usage`, `aborted`.
   */
  values(seed: number | null, signal?: AbortSignal): AsyncGenerator<unknown, void, undefined>
}

/** Opens a part of a data set of the Hub by listing and the first file's column names. Throws as `values` does. */
export async function openDataset(
  request: DatasetRequest,
  onProgress: (progress: HubProgress) => void,
  signal?: AbortSignal,
): Promise<Dataset> {
  const { address } = request
  const { hub, split } = await findSplit(request, onProgress, signal)
  const sources = split.paths.flatMap((path) => hub.files.get(path) ?? [])
  const [first] = sources
  if (first === undefined) throw new RangeError('a split has files')
  const column = chooseColumn(await columnsOf(first, signal), address, first.name)
  const parts = [address.repo, split.config === 'default' ? null : split.config, split.split, `@${hub.commit.slice(0, 7)}`]
  return {
    name: parts.filter((part) => part !== null).join(' '),
    split,
    column,
    values: (seed, signal) => valuesOf(sources, column, seed, signal),
  }
}

/** In the Hub's conversion, whose layout says what is what; as the set's owner laid it out where there is none. */
async function findSplit(
  { address, preferredSplits, ...options }: DatasetRequest,
  onProgress: (progress: HubProgress) => void,
  signal?: AbortSignal,
): Promise<{ readonly hub: HubFiles; readonly split: DatasetSplit }> {
  const open = (revision: string | null): Promise<HubFiles> =>
    openHubFiles({ ...options, kind: 'dataset', id: revision === null ? address.repo : `${address.repo}@${revision}` }, onProgress, signal)
  const choose = (hub: HubFiles) => ({ hub, split: chooseSplit(splitsOf([...hub.files.keys()]), address, preferredSplits) })
  if (address.revision !== null) return choose(await open(address.revision))
  let lacking: StudioError | null = null
  try {
    return choose(await open(convertedBranch))
  } catch (error) {
    if (isUsage(error)) lacking = error
    else if (!(error instanceof StudioError) || error.details['code'] !== 'RevisionNotFound') throw error
  }
  try {
    return choose(await open(null))
  } catch (error) {
    // The conversion tells best what there is.
    throw isUsage(error) && lacking !== null ? lacking : error
  }
}

function isUsage(error: unknown): error is StudioError {
  return error instanceof StudioError && error.code === 'usage'
}

const isParquet = ({ name }: ByteSource): boolean => name.endsWith('.parquet')

async function columnsOf(source: ByteSource, signal?: AbortSignal): Promise<readonly TextColumn[]> {
  if (isParquet(source)) return (await readParquet(source, signal)).columns
  for await (const record of readJsonLines(source, { start: 0, end: source.sizeBytes }, signal)) return columnsOfRecord(record)
  return []
}

async function* valuesOf(
  sources: readonly ByteSource[],
  column: string,
  seed: number | null,
  signal?: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const random = seed === null ? null : createRandom(seed)
  const first = Math.floor((random?.next() ?? 0) * sources.length)
  // Share of the first file that comes at the end instead of the beginning.
  const share = random?.next() ?? 0
  for (const [index, source] of [...sources.slice(first), ...sources.slice(0, first)].entries()) {
    yield* valuesOfFile(source, column, { from: index === 0 ? share : 0, to: 1 }, signal)
  }
  const start = sources[first]
  if (share > 0 && start !== undefined) yield* valuesOfFile(start, column, { from: 0, to: share }, signal)
}

/** Values of the rows between two shares of a file, of [0, 1]. */
async function* valuesOfFile(
  source: ByteSource,
  column: string,
  { from, to }: { readonly from: number; readonly to: number },
  signal?: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  if (!isParquet(source)) {
    const isWhole = source.name.endsWith('.gz')
    // A compressed file has no beginning but its own.
    if (isWhole && from === 0 && to < 1) return
    const range = isWhole
      ? { start: 0, end: source.sizeBytes }
      : { start: Math.floor(from * source.sizeBytes), end: Math.floor(to * source.sizeBytes) }
    for await (const record of readJsonLines(source, range, signal)) yield record[column]
    return
  }
  const file = await readParquet(source, signal)
  const [rowStart, rowEnd] = [Math.floor(from * file.rowCount), Math.floor(to * file.rowCount)]
  for (const part of file.parts(column)) {
    const rows = { rowStart: Math.max(part.rowStart, rowStart), rowEnd: Math.min(part.rowEnd, rowEnd) }
    if (rows.rowStart < rows.rowEnd) yield* await file.readColumn(column, rows, signal)
  }
}
