import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { openCheckpoint } from '../../src/checkpoint/open.ts'
import { argMax } from '../../src/evaluation/generate.ts'
import type { InputsId } from '../../src/evaluation/result.ts'
import { defaultExportOptions } from '../../src/export/options.ts'
import { writeExport } from '../../src/export/write-export.ts'
import { nodeFileSource, nodeFolderFiles } from '../../src/headless/node-source.ts'
import { NodeFileStore, nodeFileSink } from '../../src/headless/node-store.ts'
import { createKernelPool } from '../../src/kernels/pool.ts'
import { nodeWorkerPort } from '../../src/kernels/port.ts'
import { EngineSupply } from '../../src/pipeline/engine-supply.ts'
import { executeRun } from '../../src/pipeline/execute-run.ts'
import { exportTarget } from '../../src/pipeline/export-run.ts'
import { type GenerateTools, openModel } from '../../src/pipeline/generate-run.ts'
import { exportSource, type RunResult, requireResult } from '../../src/pipeline/run-result.ts'
import { parseRecipe } from '../../src/quantization/parse-recipe.ts'
import { createOnnxEngine } from '../../src/runtime/engines/onnxruntime.ts'
import { createTokenizer } from '../../src/runtime/engines/tokenizer.ts'

/** What to make of one model. */
export interface ExportsJob {
  readonly model: string
  /** Where `<recipe id>/<folder>/` and `<recipe id>/expected-<inputs>.json` go. */
  readonly out: string
  /** Preset id or recipe JSON, what matrices take in each simulation, and the formats to write with the values of their own options. */
  readonly recipes: readonly {
    readonly recipe: string
    readonly inputs: readonly InputsId[]
    readonly exports: readonly { readonly folder: string; readonly target: string; readonly options: Readonly<Record<string, string>> }[]
  }[]
  readonly calibration: string
  readonly evaluation: string
  readonly prompt: string
  readonly greedyTokens: number
  readonly windows: { readonly count: number; readonly length: number }
}

/**
 * Quantizes a model by every recipe, writes the exports, and beside them what the studio's own simulation of the stored tensors
 * computes: logits at every position of a prompt, greedy continuation, perplexity of windows of the evaluation text.
 */
export async function main(jobFile: string, kernelWorker: URL): Promise<void> {
  const job = JSON.parse(await readFile(jobFile, 'utf8')) as ExportsJob
  const signal = new AbortController().signal
  const storeFolder = await mkdtemp(join(tmpdir(), 'studio-'))
  const store = new NodeFileStore(storeFolder)
  const checkpoint = await openCheckpoint(
    { name: basename(resolve(job.model)), originKind: 'files', files: await nodeFolderFiles(job.model) },
    signal,
  )
  const tokenizer = createTokenizer(checkpoint.tokenizerFiles)
  const kernels = await createKernelPool({ threads: 2, spawn: () => nodeWorkerPort(new Worker(kernelWorker)) })
  const engines = new EngineSupply([() => createOnnxEngine({ backend: 'wasm', threads: 2 })], checkpoint.graph)
  const now = (): number => performance.now()
  const contextLength = Math.min(256, checkpoint.graph.config.maxPositions)
  const textOf = async (file: string) => ({ text: await readFile(file, 'utf8'), textName: basename(file), contextLength })
  try {
    const evaluation = await textOf(job.evaluation)
    const report = await executeRun(
      {
        model: { checkpoint, tokenizer },
        request: {
          recipes: job.recipes.map(({ recipe }) => parseRecipe(recipe)),
          evaluation: null,
          calibration: { ...(await textOf(job.calibration)), maxTokens: 4096, usesChatTemplate: false },
          importance: null,
          seed: 0,
        },
        machine: { store, threads: 2, memoryLimitBytes: totalmem(), rates: [] },
        tools: { kernels, engines, versions: { version: '', onnxruntime: '' }, now, memoryBytes: () => null },
      },
      () => undefined,
      signal,
    )
    const result = await requireResult(store, report.planHash)
    const { runner } = await engines.get(signal)
    const tools = { checkpoint, tokenizer, store, kernels, runner, residentBytes: totalmem(), now }
    const start = tokenizer.bosTokenId === null ? [] : [tokenizer.bosTokenId]
    const evaluationIds = tokenizer.encode(evaluation.text.slice(0, 20 * job.windows.count * job.windows.length))
    const windows = Array.from({ length: job.windows.count }, (_, index) => [
      ...start,
      ...evaluationIds.slice(index * job.windows.length, (index + 1) * job.windows.length - start.length),
    ])
    const prompt = [...start, ...tokenizer.encode(job.prompt)]
    for (const { recipe, inputs, exports } of job.recipes) {
      const { id } = parseRecipe(recipe)
      const folder = join(job.out, id)
      const place = (inside: string) => ({
        createSink: async (path: string) => {
          await mkdir(dirname(join(folder, inside, path)), { recursive: true })
          return nodeFileSink(join(folder, inside, path), { isDurable: false })
        },
        openWritten: async (path: string) => nodeFileSource(join(folder, inside, path)),
        removeWritten: async (path: string) => rm(join(folder, inside, path), { force: true }),
      })
      for (const made of exports) {
        const source = {
          ...exportSource(store, checkpoint, result, id),
          options: { ...defaultExportOptions, chosen: made.options },
        }
        await writeExport({ target: exportTarget(made.target), source, kernels, ...place(made.folder) }, () => undefined, signal)
      }
      await mkdir(folder, { recursive: true })
      for (const taken of inputs) {
        const scope = { model: job.model, folder, result, recipeId: id, inputs: taken, tools }
        await writeExpected(scope, { prompt, windows, greedyTokens: job.greedyTokens })
      }
      process.stdout.write(`${basename(job.model)} ${id}: ${exports.map((made) => made.folder).join(', ')}\n`)
    }
  } finally {
    await engines.close()
    await kernels.close()
    await checkpoint.close()
    await rm(storeFolder, { recursive: true, force: true })
  }
}

async function writeExpected(
  scope: {
    readonly model: string
    readonly folder: string
    readonly result: RunResult
    readonly recipeId: string
    readonly inputs: InputsId
    readonly tools: GenerateTools
  },
  asked: { readonly prompt: readonly number[]; readonly windows: readonly (readonly number[])[]; readonly greedyTokens: number },
): Promise<void> {
  const { folder, tools } = scope
  const onModel = async <T>(work: (next: (id: number) => Promise<Float32Array>) => Promise<T>): Promise<T> => {
    const model = openModel(tools, scope, new AbortController().signal)
    try {
      return await work((id) => model.next([id]))
    } finally {
      await model.release()
    }
  }
  const rows: Float32Array[] = []
  const greedy = await onModel(async (next) => {
    for (const id of asked.prompt) rows.push((await next(id)).slice())
    let last = rows.at(-1) ?? new Float32Array(0)
    const ids: number[] = []
    while (ids.length < asked.greedyTokens) {
      ids.push(argMax(last))
      last = await next(ids.at(-1) ?? 0)
    }
    return ids
  })
  let nll = 0
  let scored = 0
  for (const window of asked.windows) {
    await onModel(async (next) => {
      for (const [index, id] of window.slice(0, -1).entries()) {
        const logits = await next(id)
        nll += logSumExp(logits) - (logits[window[index + 1] ?? 0] ?? Number.NaN)
        scored++
      }
    })
  }
  const logits = `expected-${scope.inputs}.f32`
  await writeFile(join(folder, logits), Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))))
  const expected = {
    model: resolve(scope.model),
    prompt: asked.prompt,
    logits,
    greedy,
    windows: asked.windows,
    perplexity: Math.exp(nll / scored),
  }
  await writeFile(join(folder, `expected-${scope.inputs}.json`), JSON.stringify(expected))
}

function logSumExp(logits: Float32Array): number {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0))
}
