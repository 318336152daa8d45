import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { makeSyntheticCheckpoint, shapes } from '../scripts/synthetic-checkpoint.mjs'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { hashInThread } from '../src/export/hash-thread.ts'
import { type ExportJob, writeExport } from '../src/export/write-export.ts'
import { nodeFileSource, nodeFolderFiles } from '../src/headless/node-source.ts'
import { NodeFileStore, nodeFileSink } from '../src/headless/node-store.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { nodeWorkerPort } from '../src/kernels/port.ts'
import { EngineSupply } from '../src/pipeline/engine-supply.ts'
import { executeRun } from '../src/pipeline/execute-run.ts'
import { exportTarget } from '../src/pipeline/export-run.ts'
import { exportSource, requireResult } from '../src/pipeline/run-result.ts'
import { findRecipe } from '../src/quantization/presets.ts'
import type { Recipe } from '../src/quantization/recipe.ts'
import { createTokenizer } from '../src/runtime/engines/tokenizer.ts'
import { sentencePieceFiles } from '../src/testing/tokenizer-files.ts'
import { median } from './rounds.ts'

/** Of the SentencePiece kind with Llama's own ids: the only kind that every format can hold. */
const tokenizer = sentencePieceFiles()
/** One matrix of it is 512 MiB in f32, so that 256 MiB are a bound on what is in memory, not on what there is. */
const tallShape = { ...shapes.tinyllama, intermediate: 65_536, vocab: tokenizer.vocabularySize }

interface ExportCase {
  readonly target: string
  /** Id of a recipe; with `everywhere` behind it embedding and head are on its grid too. */
  readonly recipe: string
  /** Inputs of linears in 8 bits, with a made-up scale: no text is run. */
  readonly roundsInputs?: true
}

/** Every format, and every width and grid that it packs in a way of its own. */
const cases: readonly ExportCase[] = [
  { target: 'gguf', recipe: 'Q4_K' },
  { target: 'gguf', recipe: 'Q8_0' },
  { target: 'gptq', recipe: 'nearest-2bit-g32' },
  { target: 'gptq', recipe: 'nearest-3bit-g32' },
  { target: 'gptq-v2', recipe: 'nearest-4bit-g32' },
  { target: 'gptq-v2', recipe: 'nearest-8bit-g32-sym' },
  { target: 'awq', recipe: 'nearest-4bit-g32' },
  { target: 'bitsandbytes', recipe: 'nf4' },
  { target: 'bitsandbytes', recipe: 'nf4-double' },
  { target: 'bitsandbytes', recipe: 'int8-rows' },
  { target: 'compressed-tensors', recipe: 'nearest-4bit-g32' },
  { target: 'compressed-tensors', recipe: 'nearest-8bit-channel-sym', roundsInputs: true },
  { target: 'onnx', recipe: 'nearest-2bit-g32' },
  { target: 'onnx', recipe: 'nearest-3bit-g32' },
  { target: 'onnx', recipe: 'nearest-4bit-g32' },
  { target: 'onnx', recipe: 'nearest-5bit-g32' },
  { target: 'onnx', recipe: 'nearest-1.58bit-g64' },
  { target: 'onnx', recipe: 'nearest-8bit-channel-sym' },
  { target: 'onnx', recipe: 'nf4' },
  { target: 'onnx', recipe: 'int8-rows' },
  { target: 'onnx', recipe: 'Q8_0' },
  { target: 'onnx-qdq', recipe: 'nearest-8bit-channel-sym', roundsInputs: true },
  { target: 'tflite', recipe: 'nearest-8bit-channel-sym' },
  { target: 'tflite', recipe: 'Q8_0' },
  { target: 'llama2c', recipe: 'nearest-8bit-channel-sym-everywhere' },
  { target: 'llama2c', recipe: 'Q8_0-everywhere' },
]

export interface ExportSpeed {
  /** Of all files. */
  readonly bytes: number
  /** Until the files are written, read back, parsed, compared and hashed; by round. */
  readonly seconds: readonly number[]
  readonly processorSeconds: readonly number[]
  /** Most resident memory of the process above that before the first export: of all threads, buffers and heap. */
  readonly extraBytes: number
}

interface Workers {
  readonly kernel: URL
  readonly hash: URL
}

const sampleMs = 20
const everywhere = '-everywhere'

/** The cases whose `target` or `target:recipe` is named, or all. */
function casesNamed(names: readonly string[]): ExportCase[] {
  return cases.filter(({ target, recipe }) => names.length === 0 || names.includes(target) || names.includes(`${target}:${recipe}`))
}

/**
 * Quantizes a synthetic model by every recipe in one walk, then exports it in each format, each in a process of its own, so that
 * memory is counted from a fresh start.
 */
export async function benchExport(
  main: URL,
  {
    threads,
    workers,
    rounds = 7,
    layers = 1,
    only = [],
  }: {
    readonly threads: number
    readonly workers: Workers
    readonly rounds?: number
    /** Of the model: files grow with them. */
    readonly layers?: number
    readonly only?: readonly string[]
  },
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'studio-export-'))
  try {
    const wanted = casesNamed(only)
    await makeModel(join(folder, 'model'), layers)
    const planHash = await finishedRun(folder, [...new Set(wanted.map(({ recipe }) => recipe))], { threads, workers })
    const rows: string[][] = []
    for (const each of wanted) {
      const args = [main.pathname, 'export-case', '--folder', folder, '--label', planHash, '--only', `${each.target}:${each.recipe}`]
      const { stdout } = await promisify(execFile)(process.execPath, [...args, '--threads', String(threads), '--rounds', String(rounds)])
      rows.push(rowOf(each, JSON.parse(stdout) as ExportSpeed))
    }
    return exportTable(rows, { rounds, layers })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function finishedRun(
  folder: string,
  recipes: readonly string[],
  { threads, workers }: { readonly threads: number; readonly workers: Workers },
): Promise<string> {
  const kernels = await createKernelPool({ threads, spawn: () => nodeWorkerPort(new Worker(workers.kernel)) })
  try {
    const { checkpoint, store } = await openFolder(folder)
    const request = { recipes: recipes.map(recipeNamed), evaluation: null, calibration: null, importance: null, seed: 0 }
    const report = await executeRun(
      {
        model: { checkpoint, tokenizer: createTokenizer(checkpoint.tokenizerFiles) },
        request,
        machine: { store, threads, memoryLimitBytes: 8e9, rates: [] },
        tools: {
          kernels,
          engines: new EngineSupply([], checkpoint.graph),
          versions: { version: 'bench', onnxruntime: 'none' },
          now: () => performance.now(),
          memoryBytes: () => null,
        },
      },
      () => undefined,
      new AbortController().signal,
    )
    return report.planHash
  } finally {
    await kernels.close()
  }
}

function recipeNamed(name: string): Recipe {
  const recipe = findRecipe(name.replace(everywhere, ''))
  return name.endsWith(everywhere) ? { ...recipe, id: name, embedding: 'grid', head: 'grid' } : recipe
}

async function makeModel(folder: string, layers: number): Promise<void> {
  const { tokenizerJson, tokenizerConfig } = tokenizer
  makeSyntheticCheckpoint({ out: folder, shape: { ...tallShape, layers }, dtype: 'BF16', config: { bos_token_id: 1, eos_token_id: 2 } })
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson))
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizerConfig))
}

async function openFolder(folder: string) {
  const files = await nodeFolderFiles(join(folder, 'model'))
  const checkpoint = await openCheckpoint({ name: 'synthetic', originKind: 'files', files })
  return { checkpoint, store: new NodeFileStore(join(folder, 'runs'), { isDurable: false }) }
}

/** Exports one case again and again; the whole of a process. Returns an `ExportSpeed` as JSON. */
export async function benchExportCase({
  folder,
  planHash,
  name,
  threads,
  workers,
  rounds,
}: {
  readonly folder: string
  readonly planHash: string
  readonly name: string
  readonly threads: number
  readonly workers: Workers
  readonly rounds: number
}): Promise<string> {
  const [only] = casesNamed([name])
  if (only === undefined) throw new Error(`no export case ${name}`)
  const { checkpoint, store } = await openFolder(folder)
  const kernels = await createKernelPool({ threads, spawn: () => nodeWorkerPort(new Worker(workers.kernel)) })
  const place = (path: string): string => join(folder, 'out', path)
  const source = exportSource(store, checkpoint, await requireResult(store, planHash), only.recipe)
  const linears = checkpoint.graph.blocks.flatMap((block) => block.linears.map(({ weight }) => weight))
  const inputModes = new Map(linears.map((weight) => [weight, { kind: 'int8-tensor', scale: 1 / 64 }] as const))
  const job: ExportJob = {
    target: exportTarget(only.target),
    source: only.roundsInputs === true ? { ...source, inputModes } : source,
    kernels,
    createSink: (path) => nodeFileSink(place(path), { isDurable: false }),
    openWritten: (path) => nodeFileSource(place(path)),
    removeWritten: (path) => rm(place(path), { force: true }),
    startHasher: () => hashInThread(nodeWorkerPort(new Worker(workers.hash)), place),
  }
  const before = process.memoryUsage.rss()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, sampleMs)
  const seconds: number[] = []
  const processorSeconds: number[] = []
  let bytes = 0
  for (let round = 0; round < rounds; round++) {
    // To delete the files of the round before is no part of writing them.
    await rm(join(folder, 'out'), { recursive: true, force: true })
    const used = process.cpuUsage()
    const startedAt = performance.now()
    const { files } = await writeExport(job, () => undefined)
    seconds.push((performance.now() - startedAt) / 1000)
    const { user, system } = process.cpuUsage(used)
    processorSeconds.push((user + system) / 1e6)
    bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  }
  clearInterval(timer)
  await kernels.close()
  await rm(join(folder, 'out'), { recursive: true, force: true })
  const speed: ExportSpeed = { bytes, seconds, processorSeconds, extraBytes: Math.max(most, await peakBytes()) - before }
  return JSON.stringify(speed)
}

/** The most resident memory of the process so far, where the system tells (Linux): nothing is missed between two samples. */
async function peakBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)
}

function rowOf({ target, recipe }: ExportCase, { bytes, seconds, processorSeconds, extraBytes }: ExportSpeed): string[] {
  const rate = (values: readonly number[]): string => (bytes / 1e6 / median(values)).toFixed(0)
  return [target, recipe, (bytes / 1e6).toFixed(0), rate(seconds), rate(processorSeconds), (extraBytes / 2 ** 20).toFixed(0)]
}

/** Median speeds and the largest extra memory. */
function exportTable(
  rows: readonly (readonly string[])[],
  { rounds, layers }: { readonly rounds: number; readonly layers: number },
): string {
  const head = ['format', 'recipe', 'MB', 'MB/s', 'MB/s CPU', 'MiB more']
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `  ${row.map((text, column) => (column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0))).join('  ')}`
  return [
    `Export from stored tensors to proved files: bytes of the files by the seconds until they are written, read back, compared and hashed,`,
    `and by the processor seconds of all threads; median of ${rounds}. Memory beyond that before the first, at its highest.`,
    `Layers of a Llama with a hidden size of ${tallShape.hidden} and ${tallShape.intermediate} in between: ${layers}, each with three matrices of 512 MiB in f32.`,
    line(head),
    ...rows.map(line),
  ].join('\n')
}
