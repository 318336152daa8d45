import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { makeSyntheticCheckpoint, shapes } from '../scripts/synthetic-checkpoint.mjs'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { hashInThread } from '../src/export/hash-thread.ts'
import { type ExportJob, writeExport } from '../src/export/write-export.ts'
import { nodeFileSource, nodeFolderFiles } from '../src/headless/node-source.ts'
import { NodeFileStore, nodeFileSink } from '../src/headless/node-store.ts'
import type { Kernels } from '../src/kernels/contract/kernels.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { nodeWorkerPort } from '../src/kernels/port.ts'
import { EngineSupply } from '../src/pipeline/engine-supply.ts'
import { executeRun } from '../src/pipeline/execute-run.ts'
import { exportTarget } from '../src/pipeline/export-run.ts'
import { exportSource, requireResult } from '../src/pipeline/run-result.ts'
import { parseRecipe } from '../src/quantization/parse-recipe.ts'
import { createTokenizer } from '../src/runtime/engines/tokenizer.ts'

export interface ExportSpeed {
  readonly bytes: number
  /** Until the file is written, read back, parsed, compared and hashed. */
  readonly seconds: number
  readonly processorSeconds: number
  /** Most resident memory during the export above that before it. */
  readonly extraBytes: number
}

const layers = 8
const recipe = 'Q4_K_M'
const sampleMs = 10

/** Exports a finished run of a synthetic model with the shapes of TinyLlama-1.1B as GGUF, again and again. */
export async function benchExport({
  threads,
  workers,
  rounds = 5,
}: {
  readonly threads: number
  readonly workers: { readonly kernel: URL; readonly hash: URL }
  readonly rounds?: number
}): Promise<ExportSpeed[]> {
  const folder = await mkdtemp(join(tmpdir(), 'studio-export-'))
  const kernels = await createKernelPool({ threads, spawn: () => nodeWorkerPort(new Worker(workers.kernel)) })
  try {
    const place = (path: string): string => join(folder, 'out', path)
    const job: ExportJob = {
      target: exportTarget('gguf'),
      source: await finishedRun(folder, kernels),
      kernels,
      createSink: (path) => nodeFileSink(place(path), { isDurable: false }),
      openWritten: (path) => nodeFileSource(place(path)),
      removeWritten: (path) => rm(place(path), { force: true }),
      startHasher: () => hashInThread(nodeWorkerPort(new Worker(workers.hash)), place),
    }
    const speeds: ExportSpeed[] = []
    for (let round = 0; round < rounds; round++) speeds.push(await exportOnce(job))
    return speeds
  } finally {
    await kernels.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function finishedRun(folder: string, kernels: Kernels): Promise<ExportJob['source']> {
  const model = join(folder, 'model')
  makeSyntheticCheckpoint({ out: model, shape: { ...shapes.tinyllama, layers }, dtype: 'BF16' })
  const checkpoint = await openCheckpoint({ name: 'synthetic', originKind: 'files', files: await nodeFolderFiles(model) })
  const store = new NodeFileStore(join(folder, 'runs'), { isDurable: false })
  const request = { recipes: [parseRecipe(recipe)], evaluation: null, calibration: null, importance: null, seed: 0 }
  const report = await executeRun(
    {
      model: { checkpoint, tokenizer: createTokenizer(checkpoint.tokenizerFiles) },
      request,
      machine: { store, threads: kernels.threads, memoryLimitBytes: 4e9, rates: [] },
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
  return exportSource(store, checkpoint, await requireResult(store, report.planHash), recipe)
}

async function exportOnce(job: ExportJob): Promise<ExportSpeed> {
  const before = process.memoryUsage().rss
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, sampleMs)
  const used = process.cpuUsage()
  const startedAt = performance.now()
  try {
    const { files } = await writeExport(job, () => undefined)
    const seconds = (performance.now() - startedAt) / 1000
    const { user, system } = process.cpuUsage(used)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    return { bytes, seconds, processorSeconds: (user + system) / 1e6, extraBytes: most - before }
  } finally {
    clearInterval(timer)
  }
}

/** Median speeds and the largest extra memory. */
export function exportTable(speeds: readonly ExportSpeed[]): string {
  const bytes = speeds[0]?.bytes ?? 0
  const middle = (field: 'seconds' | 'processorSeconds'): number =>
    speeds.map((speed) => speed[field]).toSorted((a, b) => a - b)[Math.floor(speeds.length / 2)] ?? 0
  const rate = (seconds: number): string => `${(bytes / 1e6 / seconds).toFixed(0)} MB`
  return [
    `Export of ${(bytes / 1e6).toFixed(0)} MB as GGUF (${recipe}, ${layers} layers of TinyLlama), from stored tensors to a proved file, median of ${speeds.length}:`,
    `  ${rate(middle('seconds'))}/s, ${rate(middle('processorSeconds'))} a second of processor time,`,
    `  at most ${(Math.max(...speeds.map(({ extraBytes }) => extraBytes)) / 2 ** 20).toFixed(0)} MiB of memory beyond that before`,
  ].join('\n')
}
