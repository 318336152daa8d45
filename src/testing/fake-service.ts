import { abortError, StudioError } from '../core/errors.ts'
import type { RecipePlan } from '../pipeline/plan.ts'
import type { RecipeReport, RunReport } from '../pipeline/report.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { Environment, ModelSummary, StudioService } from '../rpc/contract.ts'
import { fakeBits, fakeCatalogue, fakeConfig, fakeDescription, fakeLayers, fakeSummary, noise } from './fake-model.ts'

export interface FakeOptions {
  /** Milliseconds of a recipe's block; 0 in tests. */
  readonly pace?: number
  /** A run that waits from before. */
  readonly hasUnfinishedRun?: boolean
}

const pause = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortError())
      return
    }
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(abortError())
    })
  })

const found = <T>(value: T | undefined, what: string): T => {
  if (value === undefined)
    throw new StudioError('recipe-invalid', { title: 'This recipe cannot be read', message: what, remedy: 'Check its spelling.' })
  return value
}

/**
 * The service as the page sees it, with invented figures that follow the bits of a recipe: for looking at the page and for
 * testing its controller without workers. Never part of the product.
 */
export function createFakeService({ pace = 60, hasUnfinishedRun = false }: FakeOptions = {}): StudioService {
  let model: ModelSummary | null = null
  let environment: Environment = {
    crossOriginIsolated: true,
    threads: 2,
    webgpu: null,
    forwardBackend: 'wasm x2',
    kernelBackend: 'wasm x2',
    webgpuKernels: [
      { operation: 'accumulateGram', support: true },
      { operation: 'quantizeGgml', support: 'Invented: it is not written for the graphics card.' },
    ],
    freeStorageBytes: 38_200_000_000,
    memoryLimitBytes: 2_000_000_000,
    hubEndpoint: 'https://huggingface.co',
  }
  const storage = { hubBytes: 0, runBytes: 41_600_000, exportBytes: 0, freeBytes: 38_200_000_000 }
  let unfinished = hasUnfinishedRun

  const planOf = (recipe: Recipe): RecipePlan => {
    const bits = fakeBits(recipe)
    const parameters = model?.parameters ?? 1
    const embedding = fakeConfig.vocab * fakeConfig.hidden
    const bytes = Math.floor(((parameters - embedding) * bits) / 8 + embedding * (recipe.embedding === 'grid' ? bits / 8 : 2)) + 4096
    const isGgml = recipe.grid['type'] !== undefined
    return {
      recipeId: recipe.id,
      bytes,
      bytesOf: isGgml ? 'gguf' : 'gptq',
      bitsPerWeight: (8 * bytes) / parameters,
      blockBitsPerWeight: bits,
      targets: fakeCatalogue.targets.map(({ id, title }) => ({
        id,
        support:
          (id === 'gguf') === isGgml
            ? true
            : isGgml
              ? `${title} has one 16-bit scale and zero for each group of a row; ggml blocks are laid out differently.`
              : `${title} holds ggml blocks only; this grid is affine with ${String(recipe.grid['bits'])} bits.`,
        bytes,
        notes: [],
        options: [],
      })),
      summary: isGgml ? `${recipe.id} blocks, nearest` : `affine ${String(recipe.grid['bits'])} bit, groups of 32, nearest`,
    }
  }

  const reportOf = (recipe: Recipe): RecipeReport => {
    const plan = planOf(recipe)
    const kl = 1.6 * 4 ** -(plan.blockBitsPerWeight - 1.4) * (0.8 + 0.4 * noise(recipe.id))
    const above = kl * 0.8
    return {
      id: recipe.id,
      recipe,
      bitsPerWeight: plan.bitsPerWeight,
      blockBitsPerWeight: plan.blockBitsPerWeight,
      bytes: plan.bytes,
      bytesOf: plan.bytesOf,
      nll: Math.log(6.846 * (1 + above)),
      nllError: 0.012,
      perplexity: 6.846 * (1 + above),
      perplexityError: 0.08,
      aboveFloat: { value: above, error: 0.0004 + above * 0.06 },
      klDivergence: { mean: kl, meanError: kl * 0.04, median: kl * 0.4, p999: kl * 25, max: kl * 60 },
      sameTopToken: 1 - Math.min(0.6, Math.sqrt(kl) * 0.45),
      sameTopTokenError: 0.002,
      layers: Array.from({ length: fakeConfig.layers }, (_, block) => fakeLayers(recipe, block)).flat(),
      artifacts: [],
      backend: 'kernels wasm x2, forward wasm x2',
      seconds: 3 + noise(recipe.id) * 4,
    }
  }

  const open = async (kind: ModelSummary['originKind'], name: string, signal: AbortSignal): Promise<ModelSummary> => {
    await pause(pace * 3, signal)
    model = fakeSummary(kind, name)
    return model
  }

  return {
    environment: async () => environment,
    configure: async (settings) => {
      environment = {
        ...environment,
        threads: settings.threads ?? 2,
        memoryLimitBytes: settings.memoryLimitBytes,
        hubEndpoint: settings.hubEndpoint,
      }
      return environment
    },
    openFiles: async (files, onProgress, signal) => {
      onProgress({ text: 'Reading headers', filesDone: 0, files: files.length, bytesRead: 0 })
      if (!files.some(({ path }) => path.endsWith('config.json')))
        throw new StudioError('file-missing', {
          title: 'config.json is missing',
          message: `Of a model folder, config.json, tokenizer.json and the .safetensors files are needed; ${files.length} files were dropped.`,
          remedy: 'Drop the missing file here and work continues.',
        })
      return open('files', files[0]?.path.split('/')[0] ?? 'model', signal)
    },
    openHub: async (request, onProgress, signal) => {
      onProgress({ text: 'Reading headers', filesDone: 1, files: 7, bytesRead: 41_000 })
      await pause(pace * 6, signal)
      if (request.id.includes('gated') && request.accessToken === null)
        throw new StudioError('hub-forbidden', {
          title: 'This model asks for permission',
          message: 'The Hub answered "gated".',
          remedy: 'Accept its terms there, then give a read token. The token stays in memory and is forgotten when the tab closes.',
        })
      if (request.id.includes('missing'))
        throw new StudioError('hub-not-found', {
          title: 'No such model',
          message: `The Hub knows no ${request.id}.`,
          remedy: 'Check spelling of owner/name.',
        })
      return open('hub', request.id, signal)
    },
    openSample: (signal) => open('sample', 'Little Stories', signal),
    closeModel: async () => {
      model = null
    },
    describeTensor: async (name, signal) => {
      await pause(pace, signal)
      return fakeDescription(name)
    },
    catalogue: async () => fakeCatalogue,
    parseRecipe: async (text) => {
      if (text.trimStart().startsWith('{')) {
        const parsed: unknown = JSON.parse(text)
        return parsed as Recipe
      }
      return found(fakeCatalogue.presets.find((preset) => preset.recipe.id === text)?.recipe, `There is no preset called ${text}.`)
    },
    recipeLink: async (recipes) => `recipes=${btoa(JSON.stringify(recipes))}`,
    recipesFromLink: async (fragment) => {
      const parsed: unknown = JSON.parse(atob(fragment.replace(/^#?recipes=/, '')))
      return parsed as Recipe[]
    },
    commandLine: async (of, recipes, targets) =>
      `npm run quantize -- ${of} ${recipes.map(({ id }) => `--recipe ${id}`).join(' ')} --export ${targets.join(',')}`,
    hubText: async (request, onProgress, signal) => {
      onProgress({ text: '1.2 MB received, 40,960 tokens', filesDone: 0, files: 0, bytesRead: 1_200_000 })
      await pause(pace * 6, signal)
      if (request.id.includes('gated') && request.accessToken === null)
        throw new StudioError('hub-forbidden', {
          title: 'This data set asks for permission',
          message: `The Hub answered "gated" for ${request.id}.`,
          remedy: 'Accept its terms there, then give a read token. The token stays in memory and is forgotten when the tab closes.',
        })
      const text = 'A sentence of an invented data set, one of many that are alike. '.repeat(2000)
      return { name: `${request.id.replaceAll(':', ' ')} @0c0ffee`, text, documents: 2000, tokens: request.wantedTokens }
    },
    plan: async (request) => ({
      hash: `7c1e09b2${request.recipes.length}`,
      recipes: request.recipes.map(planOf),
      peakMemoryBytes: 212_000_000 + request.recipes.length * 18_000_000,
      memoryParts: [{ what: 'one block', bytes: 3_000_000 }],
      storageBytes: request.recipes.reduce((sum, recipe) => sum + planOf(recipe).bytes, 0),
      freeStorageBytes: storage.freeBytes,
      evaluationTokens: request.evaluation === null ? 0 : (request.evaluation.maxTokens ?? 24_310),
      scoredTokens: request.evaluation === null ? 0 : 20_400,
      calibrationTokens: request.calibration?.maxTokens ?? 0,
      calibrationCoverage: request.calibration === null ? null : { distinct: 902, vocabulary: fakeConfig.vocab },
      seconds: [{ backend: 'wasm x2', seconds: 4 + 4 * request.recipes.length }],
      issues:
        request.evaluation !== null && request.evaluation.text.length < 400
          ? [
              {
                severity: 'error',
                recipeId: null,
                title: 'The text is too short to measure',
                text: 'At least 2 windows of 256 tokens are needed; this text has 41 tokens.',
                remedy: 'Use the bundled text',
              },
            ]
          : [],
    }),
    choices: async () => ({ transform: {}, grid: {}, rounding: {}, allocation: {} }),
    gridValues: async (recipe, _tensor, limit) => {
      const levels = 2 ** Math.min(8, Math.floor(fakeBits(recipe)))
      return {
        values: Array.from({ length: levels }, (_, level) => -limit + (2 * limit * (level + 0.5)) / levels),
        storedAs: recipe.id,
      }
    },
    riskCheck: async (recipe, signal) => {
      await pause(pace, signal)
      const own = { name: 'model.layers.0.mlp.down_proj.weight', block: 0, role: 'down', outlierRatio: 11, loudestChannel: 7 }
      return { recipeId: recipe.id, linears: 28, layers: [{ ...own, relativeError: 0.08 }], remedies: [], transforms: [] }
    },
    run: async (request, onEvent, signal) => {
      const started = Date.now()
      const blocks = fakeConfig.layers
      onEvent({ kind: 'started', planHash: '7c1e09b2', blocks, resumedBlocks: 0 })
      for (let block = 0; block < blocks; block += 1) {
        for (const recipe of request.recipes) {
          const elapsedSeconds = (Date.now() - started) / 1000
          onEvent({
            kind: 'progress',
            block,
            blocks,
            phase: 'quantizing',
            recipeId: recipe.id,
            elapsedSeconds,
            remainingSeconds: block < 2 ? null : (elapsedSeconds / block) * (blocks - block),
            rates: { weightsPerSecond: 212e6, tokensPerSecond: 9870, gflops: 55 },
            memoryBytes: 184_000_000,
          })
          await pause(pace, signal)
          onEvent({ kind: 'layers', recipeId: recipe.id, block, layers: fakeLayers(recipe, block) })
        }
        onEvent({ kind: 'block-stored', block })
        if (block === 3)
          onEvent({ kind: 'notice', severity: 'warning', text: 'model.layers.3.mlp.down_proj.weight holds 3 inputs that never fire.' })
      }
      const facts = {
        studio: { version: '0.1.0', onnxruntime: '1.30.0' },
        createdAt: new Date().toISOString(),
        planHash: '7c1e09b2',
        seed: request.seed,
        model: {
          name: model?.name ?? 'model',
          family: 'llama',
          architecture: 'LlamaForCausalLM',
          parameters: model?.parameters ?? 1,
          sourceBytes: model?.sourceBytes ?? 1,
          fingerprint: 'f00dfeed',
        },
        calibration: {
          textName: 'Bundled stories, calibration',
          windows: 32,
          contextLength: 256,
          tokens: 8192,
          distinctTokens: 902,
          vocabulary: fakeConfig.vocab,
          usesChatTemplate: false,
          sharedWithEvaluation: 0,
        },
        importance: null,
        recipes: request.recipes.map(reportOf),
        seconds: (Date.now() - started) / 1000,
      }
      const float = { nll: Math.log(6.846), nllError: 0.012, perplexity: 6.846, perplexityError: 0.08 }
      const { evaluation } = request
      const report: RunReport =
        evaluation === null
          ? { ...facts, evaluation: null, recipes: facts.recipes }
          : {
              ...facts,
              evaluation: {
                protocol: evaluation.protocol,
                contextLength: evaluation.contextLength,
                textName: evaluation.textName,
                inputs: evaluation.inputs,
                tokens: 20_400,
                float,
              },
            }
      onEvent({ kind: 'finished', report })
      return report
    },
    unfinishedRun: async () => {
      if (!unfinished || model === null) return null
      const evaluation = {
        text: 'Once',
        textName: 'Bundled stories',
        protocol: 'windows',
        contextLength: 256,
        maxTokens: 20_480,
        inputs: 'float',
      } as const
      return {
        planHash: '7c1e09b2',
        request: {
          recipes: fakeCatalogue.presets.slice(0, 3).map(({ recipe }) => recipe),
          evaluation,
          calibration: null,
          importance: null,
          seed: 0,
        },
        blocksDone: 5,
        blocks: fakeConfig.layers,
        storedBytes: 12_000_000,
        stoppedAt: new Date(Date.now() - 86_400_000).toISOString(),
      }
    },
    discardRun: async () => {
      unfinished = false
    },
    generate: async (request, onEvent, signal) => {
      const words =
        ', there was a little girl named Lily. She loved to play outside in the park. One day she saw a big red ball and smiled'.split(
          /(?= )/,
        )
      const continuations = []
      for (const recipeId of [null, ...request.recipeIds]) {
        const differsAt = recipeId === null ? null : 4 + Math.floor(noise(recipeId) * 18)
        const pieces = words.map((word, index) => (differsAt !== null && index >= differsAt ? ` ${recipeId ?? ''}${index}` : word))
        for (let tokens = 4; tokens <= pieces.length; tokens += 4) {
          await pause(pace / 4, signal)
          onEvent({ recipeId, tokens, text: pieces.slice(0, tokens).join('') })
        }
        continuations.push({
          recipeId,
          tokenIds: pieces.map((_, index) => index),
          pieces,
          text: pieces.join(''),
          firstDifference: differsAt,
          tokensPerSecond: 16.9,
        })
      }
      return continuations
    },
    exportRecipe: async (request, onProgress, signal) => {
      const report = found(model === null ? undefined : fakeCatalogue.presets[0], 'No model is open.')
      const bytes = 4_500_000
      const path = `${request.recipeId}.${request.targetId}`
      for (const step of ['writing', 'reading-back', 'comparing', 'hashing', 'done'] as const) {
        onProgress({ step, path, bytesDone: step === 'done' ? bytes : bytes / 2, bytes })
        await pause(pace * 4, signal)
      }
      return {
        target: request.targetId,
        files: [{ path, bytes, sha256: `${report.recipe.id.length}f2c41d7`.repeat(8).slice(0, 64) }],
        recipeId: request.recipeId,
        firstCommand: `llama-server -m ${request.recipeId}.gguf -c 2048`,
        storedPaths: request.destination === null ? [`exports/${path}`] : [],
        notes: ['The embedding stays F16.'],
      }
    },
    importanceFile: async (_planHash, format) => new File(['invented bytes'], `model.imatrix.${format}`),
    readExport: async (path) => new File(['invented bytes'], path),
    storage: async () => storage,
    clearStorage: async (kind) => {
      if (kind === 'runs') storage.runBytes = 0
      return storage
    },
  }
}
