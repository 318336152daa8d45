import { type HubProgress, openHubFiles } from '../checkpoint/hub.ts'
import { type HeaderProgress, openCheckpoint } from '../checkpoint/open.ts'
import { StudioError } from '../core/errors.ts'
import { modelName } from '../export/gguf/metadata.ts'
import { exportTargets } from '../export/registry.ts'
import { blobSource } from '../io/blob-source.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { choicesOf } from '../quantization/choices.ts'
import { validateRecipe } from '../quantization/parse-recipe.ts'
import { findRecipe, presetSets, presets } from '../quantization/presets.ts'
import { allocations, grids, roundings, transforms } from '../quantization/registry.ts'
import { resolveTensors } from '../quantization/resolve.ts'
import type { AxisMember, EngineSettings, Environment, ModelSummary, OpenProgress, StudioService } from '../rpc/contract.ts'
import type { ForwardEngine } from '../runtime/engine.ts'
import { createTokenizer } from '../runtime/engines/tokenizer.ts'
import { type EngineFactory, EngineSupply } from './engine-supply.ts'
import { executeRun, type Machine, type OpenModel, planRun } from './execute-run.ts'
import { exportRun } from './export-run.ts'
import { generateAll } from './generate-run.ts'
import { readHubText } from './hub-text.ts'
import { runFolder } from './journal.ts'
import { imatrixFile } from './measured-importance.ts'
import { describeTensor, summarizeModel } from './model-view.ts'
import { bytesText } from './plan-issues.ts'
import { rememberTokens } from './remember-tokens.ts'
import type { RunReport } from './report.ts'
import { riskCheck } from './risk-check.ts'
import { requireResult } from './run-result.ts'
import { openSample, type SampleFetcher } from './sample.ts'
import { commandLine, recipeLink, recipesFromLink } from './sharing.ts'
import { findUnfinished } from './unfinished.ts'
import type { StartHasher } from './written-file.ts'

/** What a browser (or a test) gives the studio to work with. */
export interface StudioParts {
  readonly runs: FileStore
  readonly exports: FileStore
  readonly hub: FileStore
  readonly cores: number
  readonly crossOriginIsolated: boolean
  readonly defaultMemoryLimitBytes: number
  readonly defaultHubEndpoint: string
  readonly versions: RunReport['studio']
  probeWebGpu(): Promise<Environment['webgpu']>
  /** `backend` says whether a graphics card may do some operations; the kernels' `placement` tells which it does. */
  createKernels(threads: number, backend: EngineSettings['backend']): Promise<Kernels>
  createEngine(options: { readonly backend: 'wasm' | 'webgpu'; readonly threads: number }): Promise<ForwardEngine>
  readonly fetchSample: SampleFetcher
  /** Absent: this thread hashes. */
  readonly startHasher?: StartHasher
  /** A file as the browser hands it to a download; the path begins with `runs` or `exports`, whichever store has it. */
  openExport(path: string): Promise<File>
  /** Milliseconds, for durations only. */
  now(): number
  memoryBytes(): number | null
}

/** Most threads that pay off; also what keeps the memory bound honest on large machines. */
const mostThreads = 16
/** Share of the memory limit that loaded blocks may take while text is generated. */
const generationShare = 0.6

/** The studio behind the page: one model open, one long operation at a time. */
export function createStudio(parts: StudioParts): StudioService {
  return new Studio(parts).service()
}

class Studio {
  readonly #parts: StudioParts
  #settings: EngineSettings
  #webgpu: Promise<Environment['webgpu']> | null = null
  #kernels: { readonly threads: number; readonly backend: EngineSettings['backend']; readonly kernels: Promise<Kernels> } | null = null
  #model: OpenModel | null = null
  #busy: string | null = null
  readonly #rates = new Map<string, number>()

  constructor(parts: StudioParts) {
    this.#parts = parts
    this.#settings = {
      backend: 'automatic',
      threads: null,
      memoryLimitBytes: parts.defaultMemoryLimitBytes,
      hubEndpoint: parts.defaultHubEndpoint,
    }
  }

  /** Own properties, because the page's side is built from their names. */
  service(): StudioService {
    const { runs, exports } = this.#parts
    return {
      environment: () => this.#environment(),
      configure: async (settings) => {
        this.#settings = settings
        return this.#environment()
      },
      openFiles: (files, onProgress, signal) => {
        const sources = files.map(({ path, file }): readonly [string, ByteSource] => [
          path,
          blobSource(path.split('/').at(-1) ?? path, file),
        ])
        return this.#open(
          { name: nameOf(files.map(({ path }) => path)), kind: 'files', files: new Map(sources), texts: [] },
          onProgress,
          signal,
        )
      },
      openHub: async (request, onProgress, signal) => {
        const { name, files } = await openHubFiles(
          { id: request.id, accessToken: request.accessToken, endpoint: this.#settings.hubEndpoint, cache: this.#parts.hub },
          (progress) => onProgress(hubProgress(progress)),
          signal,
        )
        return this.#open({ name, kind: 'hub', files, texts: [] }, onProgress, signal)
      },
      openSample: async (signal) => {
        const sample = await openSample(this.#parts.fetchSample, signal)
        return this.#open({ name: sample.name, kind: 'sample', files: sample.files, texts: sample.texts }, () => undefined, signal)
      },
      closeModel: () => this.#exclusively('Closing the model', () => this.#closeModel()),
      describeTensor: async (name, signal) => describeTensor(this.#needModel().checkpoint, name, await this.#needKernels(), signal),

      catalogue: async () => ({
        presets,
        sets: presetSets,
        axes: {
          transform: transforms.members.map((member) => ({ ...axisMember(member), learnsFrom: member.needsInputs ? 'float' : 'none' })),
          grid: grids.members.map(axisMember),
          rounding: roundings.members.map((member) => ({ ...axisMember(member), learnsFrom: member.needsActivations })),
          allocation: allocations.members.map(axisMember),
        },
        targets: exportTargets.map(({ id, title, explanation, options = [] }) => ({ id, title, explanation, options })),
      }),
      parseRecipe: async (idOrJson) => findRecipe(idOrJson),
      recipeLink: (recipes) => recipeLink(recipes),
      recipesFromLink: (fragment) => recipesFromLink(fragment),
      commandLine: async (model, recipes, targets) => commandLine(model, recipes, targets),
      hubText: (request, onProgress, signal) =>
        readHubText(
          { ...request, endpoint: this.#settings.hubEndpoint, cache: this.#parts.hub },
          this.#needModel().tokenizer,
          ({ tokens, ...progress }) => onProgress(hubProgress(progress, tokens)),
          signal,
        ),
      plan: async (request) => (await planRun(this.#needModel(), request, await this.#machine())).plan,
      choices: async (recipe) => choicesOf(recipe, this.#model?.checkpoint.graph ?? null),
      gridValues: async (recipe, tensor, limit) => {
        const resolved = resolveTensors(this.#needModel().checkpoint.graph, validateRecipe(recipe)).get(tensor)
        const grid = resolved?.grid ?? null
        return { values: grid === null ? [] : grid.member.values(limit, grid.settings), storedAs: resolved?.label ?? 'float' }
      },
      riskCheck: async (recipe, signal) => {
        const { checkpoint } = this.#needModel()
        return riskCheck(validateRecipe(recipe), { checkpoint, kernels: await this.#needKernels(), signal })
      },

      run: (request, onEvent, signal) =>
        this.#exclusively('A run', async () => {
          const model = this.#needModel()
          const engines = await this.#engines(model)
          const recipes = request.recipes.map((recipe) => validateRecipe(recipe))
          try {
            return await executeRun(
              {
                model,
                request: { ...request, recipes },
                machine: await this.#machine(),
                tools: {
                  kernels: await this.#needKernels(),
                  engines,
                  versions: this.#parts.versions,
                  now: () => this.#parts.now(),
                  memoryBytes: () => this.#parts.memoryBytes(),
                },
              },
              (event) => {
                if (event.kind === 'progress' && event.rates.gflops !== null) this.#rates.set(engines.backend, event.rates.gflops * 0.5e9)
                onEvent(event)
              },
              signal,
            )
          } finally {
            await engines.close()
          }
        }),
      unfinishedRun: async () => (this.#model === null ? null : findUnfinished(runs, this.#model.checkpoint.origin.fingerprint)),
      discardRun: (planHash) => this.#exclusively('Discarding a run', () => runs.delete(runFolder(planHash))),

      generate: (request, onEvent, signal) =>
        this.#exclusively('Text generation', async () => {
          const model = this.#needModel()
          const result = await requireResult(runs, request.planHash)
          const engines = await this.#engines(model)
          try {
            const { runner } = await engines.get(signal)
            const residentBytes = generationShare * this.#settings.memoryLimitBytes
            const tools = { ...model, store: runs, kernels: await this.#needKernels(), runner, residentBytes, now: () => this.#parts.now() }
            return await generateAll(tools, { request, result }, onEvent, signal)
          } finally {
            await engines.close()
          }
        }),

      exportRecipe: (request, onProgress, signal) =>
        this.#exclusively('An export', async () => {
          const { checkpoint } = this.#needModel()
          const { startHasher } = this.#parts
          const tools = { checkpoint, runs, exports, kernels: await this.#needKernels(), now: () => this.#parts.now(), startHasher }
          return exportRun(tools, request, onProgress, signal)
        }),
      importanceFile: async (planHash, format) => {
        const { checkpoint } = this.#needModel()
        const bytes = await imatrixFile(checkpoint, await requireResult(runs, planHash), format)
        return new File([bytes], `${modelName(checkpoint)}.imatrix.${format}`)
      },
      readExport: (path) => this.#parts.openExport(path),
      storage: () => this.#storage(),
      clearStorage: (kind) =>
        this.#exclusively('Clearing', async () => {
          const store = this.#parts[kind]
          for (const { path } of await store.list('')) await store.delete(path)
          return this.#storage()
        }),
    }
  }

  async #environment(): Promise<Environment> {
    const webgpu = await this.#probe()
    const { freeBytes } = await this.#parts.runs.estimate()
    const threads = this.#threads()
    const kernels = await this.#needKernels()
    return {
      crossOriginIsolated: this.#parts.crossOriginIsolated,
      threads,
      webgpu,
      forwardBackend: this.#usesWebGpu(webgpu) && webgpu !== null ? `webgpu (${webgpu.vendor} ${webgpu.architecture})` : `wasm x${threads}`,
      kernelBackend: kernels.backend,
      webgpuKernels: kernels.placement?.support ?? [],
      freeStorageBytes: freeBytes,
      memoryLimitBytes: this.#settings.memoryLimitBytes,
      hubEndpoint: this.#settings.hubEndpoint,
    }
  }

  #probe(): Promise<Environment['webgpu']> {
    this.#webgpu ??= this.#parts.probeWebGpu()
    return this.#webgpu
  }

  #threads(): number {
    return Math.max(1, Math.min(this.#settings.threads ?? this.#parts.cores, mostThreads))
  }

  /** Automatic never takes a software adapter: it runs on the processor, slower than WASM. */
  #usesWebGpu(webgpu: Environment['webgpu']): boolean {
    if (this.#settings.backend === 'automatic') return webgpu !== null && !webgpu.isSoftware
    return this.#settings.backend === 'webgpu'
  }

  async #engines(model: OpenModel): Promise<EngineSupply> {
    const threads = this.#threads()
    const wasm: EngineFactory = () => this.#parts.createEngine({ backend: 'wasm', threads })
    const webgpu: EngineFactory = () => this.#parts.createEngine({ backend: 'webgpu', threads })
    return new EngineSupply(this.#usesWebGpu(await this.#probe()) ? [webgpu, wasm] : [wasm], model.checkpoint.graph)
  }

  /** Started once, and anew when the number of threads or the choice of backend changed. */
  async #needKernels(): Promise<Kernels> {
    const threads = this.#threads()
    const { backend } = this.#settings
    const held = this.#kernels
    if (held !== null && (held.threads !== threads || held.backend !== backend) && this.#busy === null) {
      const old = held.kernels
      this.#kernels = null
      await (await old).close()
    }
    if (this.#kernels === null) {
      const started = { threads, backend, kernels: this.#parts.createKernels(threads, backend) }
      this.#kernels = started
      // A pool that did not start is tried again by the next call.
      started.kernels.catch(() => (this.#kernels = this.#kernels === started ? null : this.#kernels))
    }
    return this.#kernels.kernels
  }

  async #machine(): Promise<Machine> {
    const { forwardBackend } = await this.#environment()
    return {
      store: this.#parts.runs,
      threads: this.#threads(),
      memoryLimitBytes: this.#settings.memoryLimitBytes,
      rates: [{ backend: forwardBackend, operationsPerSecond: this.#rates.get(forwardBackend) ?? null }],
    }
  }

  async #open(
    from: {
      readonly name: string
      readonly kind: ModelSummary['originKind']
      readonly files: ReadonlyMap<string, ByteSource>
      readonly texts: ModelSummary['bundledTexts']
    },
    onProgress: (progress: OpenProgress) => void,
    signal: AbortSignal,
  ): Promise<ModelSummary> {
    if (this.#busy !== null) throw busy(this.#busy)
    const tell = (progress: HeaderProgress): void => onProgress({ text: headerText(progress), ...progress })
    const checkpoint = await openCheckpoint({ name: from.name, originKind: from.kind, files: from.files, onProgress: tell }, signal)
    try {
      const tokenizer = rememberTokens(createTokenizer(checkpoint.tokenizerFiles))
      await this.#closeModel()
      this.#model = { checkpoint, tokenizer }
    } catch (error) {
      await checkpoint.close()
      throw error
    }
    return summarizeModel(checkpoint, from.texts)
  }

  async #closeModel(): Promise<void> {
    const model = this.#model
    this.#model = null
    await model?.checkpoint.close()
  }

  #needModel(): OpenModel {
    if (this.#model !== null) return this.#model
    const facts = { title: 'No model is open', message: 'This needs an open model.', remedy: 'Open a model or the sample.' }
    throw new StudioError('usage', facts)
  }

  async #exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy !== null) throw busy(this.#busy)
    this.#busy = what
    try {
      return await work()
    } finally {
      this.#busy = null
    }
  }

  async #storage(): ReturnType<StudioService['storage']> {
    const [hub, runs, exports] = await Promise.all([
      this.#parts.hub.estimate(),
      this.#parts.runs.estimate(),
      this.#parts.exports.estimate(),
    ])
    return { hubBytes: hub.usedBytes, runBytes: runs.usedBytes, exportBytes: exports.usedBytes, freeBytes: runs.freeBytes }
  }
}

function busy(what: string): StudioError {
  return new StudioError('usage', {
    title: `${what} is still going on`,
    message: `${what} has not finished; one thing at a time uses this machine.`,
    remedy: 'Wait for it, or stop it first.',
  })
}

function axisMember({ kind, title, explanation, fields }: AxisMember): AxisMember {
  return { kind, title, explanation, fields }
}

/** The dropped folder's name, else the first file's. */
function nameOf(paths: readonly string[]): string {
  const [first = 'model'] = paths
  return first.split('/')[0] ?? first
}

function headerText({ filesDone, files, bytesRead }: HeaderProgress): string {
  return `${filesDone} of ${files} ${files === 1 ? 'file' : 'shards'}, ${bytesText(bytesRead)} so far`
}

/** `tokens`: of a text so far; `null` where none is read. */
function hubProgress(progress: HubProgress, tokens: number | null = null): OpenProgress {
  if (progress.kind === 'waiting') {
    const text = `${progress.reason} Trying again in ${Math.ceil(progress.seconds)} s; nothing is lost.`
    return { text, filesDone: 0, files: 0, bytesRead: 0 }
  }
  const read = tokens === null || tokens === 0 ? '' : `, ${tokens.toLocaleString('en-US')} tokens`
  return { text: `${bytesText(progress.totalBytes)} received${read}`, filesDone: 0, files: 0, bytesRead: progress.totalBytes }
}
