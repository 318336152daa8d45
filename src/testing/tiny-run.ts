import { openCheckpoint } from '../checkpoint/open.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { EngineFactory } from '../pipeline/engine-supply.ts'
import { EngineSupply } from '../pipeline/engine-supply.ts'
import type { RunEvent } from '../pipeline/events.ts'
import { executeRun, type OpenModel } from '../pipeline/execute-run.ts'
import type { EvaluationSettings, RunRequest } from '../pipeline/plan.ts'
import type { MeasuredRun, RunReport } from '../pipeline/report.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { createTokenizer } from '../runtime/engines/tokenizer.ts'
import { measured } from './measured.ts'
import { type TinyModelOptions, tinyModel } from './tiny-model.ts'

/** Letters only: the tiny tokenizer knows no more. */
export const tinyText = Array.from({ length: 700 }, (_, i) => String.fromCharCode(97 + ((i * i + 3 * (i % 11)) % 26))).join('')

export async function openTiny(options: TinyModelOptions = {}): Promise<OpenModel> {
  const config = { hidden_size: 32, intermediate_size: 64, num_hidden_layers: 3, ...options.config }
  const files = tinyModel({ ...options, config })
  const checkpoint = await openCheckpoint({ name: 'tiny', originKind: 'files', files })
  return { checkpoint, tokenizer: createTokenizer(checkpoint.tokenizerFiles) }
}

export type MeasuredRequest = RunRequest & { readonly evaluation: EvaluationSettings }

export function tinyRequest(recipes: readonly string[], change: Partial<EvaluationSettings> = {}): MeasuredRequest {
  return {
    recipes: recipes.map((recipe) => parseRecipe(recipe)),
    evaluation: {
      text: tinyText,
      textName: 'letters',
      protocol: 'windows',
      contextLength: 16,
      maxTokens: null,
      inputs: 'float',
      ...change,
    },
    calibration: null,
    importance: null,
    seed: 0,
  }
}

export const wasmEngine: EngineFactory = () => createOnnxEngine({ backend: 'wasm', threads: 1 })

/** A whole run on the reference kernels and ONNX Runtime in this thread. */
export async function runTiny(...args: Parameters<typeof runTinyRequest>): Promise<MeasuredRun> {
  return measured(await runTinyRequest(...args))
}

/** Starts a run and stops it once its first block is stored; resolves with what it was rejected with. */
export async function stopAfterFirstBlock(scope: Parameters<typeof runTinyRequest>[0]): Promise<unknown> {
  const abort = new AbortController()
  const run = runTinyRequest(
    scope,
    (event) => {
      if (event.kind === 'block-stored' && event.block === 0) abort.abort()
    },
    abort.signal,
  )
  return run.then(
    () => null,
    (fault: unknown) => fault,
  )
}

/** The same for requests that need not measure. */
export async function runTinyRequest(
  scope: {
    readonly model: OpenModel
    readonly request: RunRequest
    readonly store: FileStore
    readonly engines?: readonly EngineFactory[]
    readonly memoryLimitBytes?: number
    readonly kernels?: Kernels
  },
  onEvent: (event: RunEvent) => void = () => undefined,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunReport> {
  const { model, request, store, engines = [wasmEngine], memoryLimitBytes = 1e9, kernels = createReferenceKernels() } = scope
  const supply = new EngineSupply(engines, model.checkpoint.graph)
  try {
    return await executeRun(
      {
        model,
        request,
        machine: { store, threads: 1, memoryLimitBytes, rates: [] },
        tools: {
          kernels,
          engines: supply,
          versions: { version: 'test', onnxruntime: 'test' },
          now: () => performance.now(),
          memoryBytes: () => null,
        },
      },
      onEvent,
      signal,
    )
  } finally {
    await supply.close()
  }
}
