import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import packageFile from '../../package.json'
import { openCheckpoint } from '../../src/checkpoint/open.ts'
import { nodeFolderFiles } from '../../src/headless/node-source.ts'
import { NodeFileStore } from '../../src/headless/node-store.ts'
import type { Kernels } from '../../src/kernels/contract/kernels.ts'
import { createKernelPool } from '../../src/kernels/pool.ts'
import { nodeWorkerPort } from '../../src/kernels/port.ts'
import { EngineSupply } from '../../src/pipeline/engine-supply.ts'
import type { RunEvent } from '../../src/pipeline/events.ts'
import { executeRun } from '../../src/pipeline/execute-run.ts'
import { generateAll } from '../../src/pipeline/generate-run.ts'
import type { CalibrationSettings } from '../../src/pipeline/plan.ts'
import type { RunReport } from '../../src/pipeline/report.ts'
import { type RunResult, requireResult } from '../../src/pipeline/run-result.ts'
import { readStored } from '../../src/pipeline/stored-tensor.ts'
import { dequantize } from '../../src/pipeline/weights.ts'
import { parseRecipe } from '../../src/quantization/parse-recipe.ts'
import { createNativeEngine } from '../../src/runtime/engines/native.ts'
import { createOnnxEngine } from '../../src/runtime/engines/onnxruntime.ts'
import { createTokenizer } from '../../src/runtime/engines/tokenizer.ts'

/**
 * What the studio itself makes of a model, for comparison with other programs: runs the recipes, then prints JSON lines
 * for float and for each recipe with its perplexity and its greedy text, and writes `WEIGHTS/<recipe id>/model.safetensors`, the dequantized
 * matrices that its own forward passes multiply by.
 */
export async function main(argv: readonly string[], kernelWorker: URL): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      recipe: { type: 'string', multiple: true, default: [] },
      text: { type: 'string' },
      prompt: { type: 'string', default: 'Once upon a time' },
      tokens: { type: 'string', default: '64' },
      weights: { type: 'string' },
      calibration: { type: 'string' },
      'calibration-tokens': { type: 'string', default: '8192' },
      'max-tokens': { type: 'string', default: '1024' },
      context: { type: 'string', default: '256' },
      inputs: { type: 'string', default: 'float' },
      seed: { type: 'string', default: '0' },
      threads: { type: 'string', default: '2' },
      engine: { type: 'string', default: 'wasm' },
    },
  })
  const [folder] = positionals
  const { inputs } = values
  if (folder === undefined || values.recipe.length === 0 || values.text === undefined) {
    throw new Error(
      'usage: node scripts/interop/studio.mjs MODEL --recipe R… --text FILE [--calibration FILE] [--calibration-tokens N] [--max-tokens N] [--context N] [--inputs float|llama.cpp] [--seed N] [--threads N] [--engine wasm|native] [--prompt TEXT] [--tokens N] [--weights FOLDER]',
    )
  }
  if (inputs !== 'float' && inputs !== 'llama.cpp') throw new Error(`--inputs is float or llama.cpp, not ${inputs}`)
  const signal = new AbortController().signal
  const contextLength = Number(values.context)
  const threads = Number(values.threads)
  const storeFolder = await mkdtemp(join(tmpdir(), 'studio-'))
  const store = new NodeFileStore(storeFolder)
  const checkpoint = await openCheckpoint(
    { name: basename(resolve(folder)), originKind: 'files', files: await nodeFolderFiles(folder) },
    signal,
  )
  const tokenizer = createTokenizer(checkpoint.tokenizerFiles)
  const kernels = await createKernelPool({ threads, spawn: () => nodeWorkerPort(new Worker(kernelWorker)) })
  const engines = new EngineSupply(
    [() => (values.engine === 'native' ? createNativeEngine(threads) : createOnnxEngine({ backend: 'wasm', threads }))],
    checkpoint.graph,
  )
  const now = (): number => performance.now()
  try {
    const report = await executeRun(
      {
        model: { checkpoint, tokenizer },
        request: {
          recipes: values.recipe.map(parseRecipe),
          evaluation: {
            text: await readFile(values.text, 'utf8'),
            textName: basename(values.text),
            protocol: 'windows',
            contextLength,
            maxTokens: Number(values['max-tokens']),
            inputs,
          },
          calibration: await calibrationOf(values.calibration, { maxTokens: Number(values['calibration-tokens']), contextLength }),
          importance: null,
          seed: Number(values.seed),
        },
        machine: { store, threads, memoryLimitBytes: totalmem(), rates: [] },
        tools: { kernels, engines, versions: { version: packageFile.version, onnxruntime: '' }, now, memoryBytes: () => null },
      },
      tellBlock,
      signal,
    )
    tellFigures(report)
    const result = await requireResult(store, report.planHash)
    const { runner } = await engines.get(signal)
    const continuations =
      values.tokens === '0'
        ? []
        : await generateAll(
            { checkpoint, tokenizer, store, kernels, runner, residentBytes: totalmem(), now },
            {
              request: {
                prompt: values.prompt,
                maxTokens: Number(values.tokens),
                temperature: 0,
                seed: 0,
                planHash: report.planHash,
                recipeIds: values.recipe.map((recipe) => parseRecipe(recipe).id),
              },
              result,
            },
            () => undefined,
            signal,
          )
    for (const { recipeId, tokenIds, text } of continuations) {
      process.stdout.write(`${JSON.stringify({ recipe: recipeId ?? 'float', greedy: { ids: tokenIds, text } })}\n`)
    }
    if (values.weights !== undefined) {
      for (const recipeId of Object.keys(result.tensors)) await writeWeights({ result, recipeId, store, kernels }, values.weights)
    }
  } finally {
    await engines.close()
    await kernels.close()
    await checkpoint.close()
    await rm(storeFolder, { recursive: true, force: true })
  }
}

/** Beside the figures: a model of some size takes minutes a block. */
function tellBlock(event: RunEvent): void {
  if (event.kind === 'block-stored') process.stderr.write(`block ${event.block + 1} stored\n`)
}

function tellFigures(report: RunReport): void {
  if (report.evaluation === null) return
  const { evaluation, recipes } = report
  const tell = (figures: Record<string, unknown>): boolean => process.stdout.write(`${JSON.stringify(figures)}\n`)
  tell({ recipe: 'float', perplexity: evaluation.float.perplexity })
  for (const { id, perplexity, klDivergence, sameTopToken, bytes, seconds } of recipes) {
    tell({ recipe: id, perplexity, kl: klDivergence.mean, sameTop: sameTopToken, bytes, seconds })
  }
}

async function calibrationOf(
  file: string | undefined,
  lengths: Pick<CalibrationSettings, 'maxTokens' | 'contextLength'>,
): Promise<CalibrationSettings | null> {
  if (file === undefined) return null
  return { text: await readFile(file, 'utf8'), textName: basename(file), ...lengths, usesChatTemplate: false }
}

async function writeWeights(
  { result, recipeId, store, kernels }: { result: RunResult; recipeId: string; store: NodeFileStore; kernels: Kernels },
  folder: string,
): Promise<void> {
  const signal = new AbortController().signal
  const header: Record<string, unknown> = {}
  const parts: Uint8Array[] = []
  let end = 0
  for (const tensor of result.tensors[recipeId] ?? []) {
    const values = await dequantize(kernels, await readStored(store, tensor, signal), signal)
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    header[tensor.name] = { dtype: 'F32', shape: [tensor.rows, tensor.columns], data_offsets: [end, end + bytes.length] }
    end += bytes.length
    parts.push(bytes)
  }
  const text = JSON.stringify(header)
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(head.length))
  await mkdir(join(folder, recipeId), { recursive: true })
  const file = Buffer.concat([length, head, ...parts])
  await writeFile(join(folder, recipeId, 'model.safetensors'), file)
  process.stdout.write(`${JSON.stringify({ recipe: recipeId, weights: createHash('sha256').update(file).digest('hex') })}\n`)
}
