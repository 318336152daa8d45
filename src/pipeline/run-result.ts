import type { Checkpoint, RowRange } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import { defaultExportOptions } from '../export/options.ts'
import type { ExportSource } from '../export/target.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileStore } from '../io/file-store.ts'
import { recipeGraph } from '../quantization/recipe-graph.ts'
import { resolveTensors } from '../quantization/resolve.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { inputModesOf } from './activation-modes.ts'
import { runFolder, type StoredSquares } from './journal.ts'
import type { RunReport } from './report.ts'
import { readJson, storageFault, writeJson } from './run-files.ts'
import { readTileAt, readTiles, type StoredTensor, TileMemory } from './stored-tensor.ts'

/** What is left in storage of a finished run: its report, and where every recipe's tensors lie. */
export interface RunResult {
  readonly report: RunReport
  /** By recipe id. */
  readonly tensors: Readonly<Record<string, readonly StoredTensor[]>>
  /** How the transform of each recipe has inputs of linears rounded, by recipe id, then by block; empty where it does not. */
  readonly inputModes: Readonly<Record<string, readonly BlockActivationModes[]>>
  /** Squares of the float model's inputs over the calibration text, by block; empty without that text. */
  readonly squares: readonly StoredSquares[]
}

const resultPath = (planHash: string): string => `${runFolder(planHash)}/result.json`

export async function saveResult(store: FileStore, result: RunResult): Promise<void> {
  await writeJson(store, resultPath(result.report.planHash), result)
}

/** `null` when the run has not finished. */
export async function loadResult(store: FileStore, planHash: string): Promise<RunResult | null> {
  // Written by `saveResult` under a name that appears only when the file is complete.
  return (await readJson(store, resultPath(planHash))) as RunResult | null
}

/** The result whose stored tensors are all still there, or `null`. */
export async function intactResult(store: FileStore, planHash: string): Promise<RunResult | null> {
  const result = await loadResult(store, planHash)
  if (result === null) return null
  const ends = new Map<string, number>()
  for (const { path, tiles } of Object.values(result.tensors).flat()) {
    ends.set(path, Math.max(ends.get(path) ?? 0, ...tiles.map(({ offset, sizeBytes }) => offset + sizeBytes)))
  }
  // A model file that an export completed is longer.
  for (const [path, end] of ends) if (((await store.open(path))?.sizeBytes ?? 0) < end) return null
  return result
}

/** Throws `storage-fault` when the run is not in storage any more. */
export async function requireResult(store: FileStore, planHash: string): Promise<RunResult> {
  const result = await loadResult(store, planHash)
  if (result !== null) return result
  throw new StudioError('storage-fault', {
    title: 'The weights of this run are gone',
    message: 'Its stored tensors were cleared, or the run did not finish.',
    remedy: 'Run it again; results that are shown stay.',
    details: { planHash },
  })
}

/** One recipe of a finished run as exports read it, with nothing chosen about the files. */
export function exportSource(store: FileStore, checkpoint: Checkpoint, result: RunResult, recipeId: string): ExportSource {
  const report = result.report.recipes.find(({ id }) => id === recipeId)
  if (report === undefined) throw storageFault(resultPath(result.report.planHash), `The run has no recipe ${recipeId}`)
  const tensors = new Map((result.tensors[recipeId] ?? []).map((tensor) => [tensor.name, tensor]))
  const memory = new TileMemory()
  const files = openingOnce(store)
  const storedOf = (name: string): StoredTensor => {
    const stored = tensors.get(name)
    if (stored === undefined) throw storageFault(resultPath(result.report.planHash), `${name} was not stored`)
    return stored
  }
  return {
    checkpoint,
    graph: recipeGraph(checkpoint.graph, report.recipe),
    recipe: report.recipe,
    options: defaultExportOptions,
    inputModes: inputModesOf(
      checkpoint.graph,
      resolveTensors(checkpoint.graph, report.recipe),
      ({ index }) => result.inputModes[recipeId]?.[index],
    ),
    importance: result.report.importance,
    encodings: new Map([...tensors].map(([name, { encoding }]) => [name, encoding])),
    async readFloat(name, rows, signal) {
      const stored = tensors.get(name)
      if (stored === undefined) return checkpoint.readFloat(name, rows, signal)
      return storedFloats(store, stored, rows, signal)
    },
    readTiles: (name, signal, options) => readTiles(files, storedOf(name), { ...options, memory, signal }),
    checksums: (name) => storedOf(name).tiles,
  }
}

/** Opens a file once for all reads in a row: the tensors of a block lie in one, and finding it takes several calls of a browser. */
function openingOnce(store: FileStore): Pick<FileStore, 'open'> {
  let last: { readonly path: string; readonly source: Promise<ByteSource | null> } | null = null
  return {
    open(path) {
      if (last?.path !== path) last = { path, source: store.open(path) }
      return last.source
    },
  }
}

/** Rows of floats, which need not lie in one tile. */
async function storedFloats(
  store: FileStore,
  stored: StoredTensor,
  rows: RowRange,
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { columns } = stored
  const values = new Float32Array((rows.rowEnd - rows.rowStart) * columns)
  for (let row = rows.rowStart; row < rows.rowEnd; ) {
    const { first, tile } = await readTileAt(store, stored, row, signal)
    if (tile.encoding !== 'float') throw storageFault(stored.path, `${stored.name} was not stored as floats`)
    const end = Math.min(rows.rowEnd, first + tile.rows)
    values.set(tile.values.subarray((row - first) * columns, (end - first) * columns), (row - rows.rowStart) * columns)
    row = end
  }
  return values
}
