import { link, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { homedir, totalmem } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { defaultHubEndpoint, type HubOpenRequest, type HubProgress, openHubFiles } from '../checkpoint/hub.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { isAbort, StudioError } from '../core/errors.ts'
import type { FileHasher } from '../export/hash-file.ts'
import { writeChecksums } from '../export/kit/checksums.ts'
import { withKit } from '../export/kit/kit.ts'
import type { ExportedFile } from '../export/target.ts'
import { type ExportDestination, writeExport } from '../export/write-export.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { EngineSupply } from '../pipeline/engine-supply.ts'
import { executeRun, type OpenModel, planRun } from '../pipeline/execute-run.ts'
import { exportTarget } from '../pipeline/export-run.ts'
import { readHubText } from '../pipeline/hub-text.ts'
import { kitContents } from '../pipeline/kit-contents.ts'
import { imatrixFile } from '../pipeline/measured-importance.ts'
import { modelFileOf } from '../pipeline/model-file.ts'
import type { Plan, RunRequest } from '../pipeline/plan.ts'
import { bytesText } from '../pipeline/plan-issues.ts'
import type { Artifact, QuantizedReport, RunReport } from '../pipeline/report.ts'
import { exportSource, type RunResult, requireResult } from '../pipeline/run-result.ts'
import type { ForwardEngine } from '../runtime/engine.ts'
import { createTokenizer } from '../runtime/engines/tokenizer.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'
import { type CliArguments, help, parseCliArguments } from './cli-arguments.ts'
import { type FetchHubText, isKind, makeRequest, readTexts } from './make-request.ts'
import { nodeFileSource, nodeFolderFiles } from './node-source.ts'
import { NodeFileStore, nodeFileSink } from './node-store.ts'

/** What the command line gets from the process it runs in. */
export interface CliHost {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cores: number
  readonly versions: RunReport['studio']
  /** Folder of `samples/`, for the bundled texts. */
  readonly samples: string
  createKernels(threads: number): Promise<Kernels>
  createEngine(engine: CliArguments['engine'], threads: number): Promise<ForwardEngine>
  /** Starts a thread that hashes files; absent: this one does. */
  readonly startHasher?: (fileOf: (path: string) => string) => FileHasher
  /** A line of progress. */
  tell(line: string): void
  /** The one line of a refusal or a fault. */
  complain(line: string): void
}

const mostThreads = 16
const memoryShare = 0.6
/** Faults of the program, not of what it was given. */
const programFaults = new Set(['internal', 'engine-failed', 'worker-lost', 'device-lost'])

/**
 * The command of `help`. Returns the exit code. Everything is written to a folder beside the asked-for one and moved there at
 * the end; whatever happens before, that folder is removed and nothing is left behind.
 */
export async function runCli(argv: readonly string[], host: CliHost, signal: AbortSignal): Promise<number> {
  try {
    const parsed = parseCliArguments(argv)
    if (parsed === 'help') host.tell(help)
    else await quantize(parsed, host, signal)
    return 0
  } catch (error) {
    if (isAbort(error)) {
      host.complain('quantize: stopped; nothing was written.')
      return 130
    }
    if (error instanceof StudioError) {
      host.complain(`quantize: ${error.title}. ${error.message} ${error.remedy}`.replaceAll(/\s+/g, ' '))
      return programFaults.has(error.code) ? 1 : 2
    }
    host.complain(`quantize: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    return 1
  }
}

async function quantize(args: CliArguments, host: CliHost, signal: AbortSignal): Promise<void> {
  const targets = args.targets.map(exportTarget)
  const texts = await readTexts(args, host.samples)
  const source = await findModel(args.model, host, signal)
  const out = resolve(args.out ?? join('quantized', basename(source.name)))
  const partial = join(dirname(out), `.${basename(out)}.partial-${process.pid}`)
  const made = await makeOutFolder(out, partial)
  try {
    const checkpoint = await openCheckpoint({ name: source.name, originKind: source.kind, files: source.files }, signal)
    try {
      const model: OpenModel = { checkpoint, tokenizer: createTokenizer(checkpoint.tokenizerFiles) }
      const { maxPositions } = checkpoint.graph.config
      const fetchHubText = hubTexts({ host, tokenizer: model.tokenizer, seed: args.seed }, signal)
      const request = await makeRequest(args, texts, { maxPositions, fetchHubText })
      const report = await runAndExport({ args, host, model, request, partial, targets }, signal)
      await writeFile(join(partial, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
      await moveInto(partial, out)
      tellResults(report, host)
      host.tell(`Report: ${join(out, 'report.json')}`)
    } finally {
      await checkpoint.close()
    }
  } finally {
    await rm(partial, { recursive: true, force: true })
    if (made !== undefined) await removeEmpty(dirname(partial), made)
  }
}

/** Makes `partial`; returns the outermost folder that had to be made for it. Throws `usage` where `out` cannot be. */
async function makeOutFolder(out: string, partial: string): Promise<string | undefined> {
  const refusal = (message: string, cause?: unknown): StudioError =>
    new StudioError('usage', { title: 'Nothing can be written there', message, remedy: 'Choose another folder with --out.' }, { cause })
  if (await isKind(out, 'file')) throw refusal(`${out} is a file, not a folder.`)
  try {
    return await mkdir(partial, { recursive: true })
  } catch (cause) {
    throw refusal(`The folder ${out} cannot be made.`, cause)
  }
}

/** Removes `folder` and those around it up to `outermost`, as long as they are empty. */
async function removeEmpty(folder: string, outermost: string): Promise<void> {
  try {
    for (let at = folder; at.startsWith(outermost); at = dirname(at)) await rmdir(at)
  } catch {
    // Something is in it: the results, or files of others.
  }
}

async function runAndExport(
  job: {
    readonly args: CliArguments
    readonly host: CliHost
    readonly model: OpenModel
    readonly request: RunRequest
    readonly partial: string
    readonly targets: readonly ReturnType<typeof exportTarget>[]
  },
  signal: AbortSignal,
): Promise<RunReport> {
  const { args, host, model, request, partial, targets } = job
  const workFolder = join(partial, '.work')
  // Thrown away at the end, and by nothing resumed.
  const store = new NodeFileStore(workFolder, { isDurable: false })
  const threads = Math.min(args.threads ?? host.cores, mostThreads)
  const machine = { store, threads, memoryLimitBytes: memoryShare * totalmem(), rates: [] }
  const { plan } = await planRun(model, request, machine)
  tellPlan(plan, host)
  refuseTargets(plan, targets)
  const kernels = await host.createKernels(threads)
  const engines = new EngineSupply([() => host.createEngine(args.engine, threads)], model.checkpoint.graph)
  try {
    const report = await executeRun(
      {
        model,
        request,
        machine,
        tools: {
          kernels,
          engines,
          versions: host.versions,
          now: () => performance.now(),
          memoryBytes: () => process.memoryUsage().rss,
        },
      },
      (event) => {
        if (event.kind === 'block-stored') host.tell(`Block ${event.block + 1} of ${model.checkpoint.graph.blocks.length} done`)
        if (event.kind === 'notice') host.tell(event.text)
      },
      signal,
    )
    const result = await requireResult(store, report.planHash)
    if (args.saveImatrix !== null) await saveImatrix(args.saveImatrix, model, result)
    const artifacts = new Map<string, Artifact[]>()
    for (const recipe of report.recipes) {
      const options = { maxFileBytes: args.maxFileBytes, device: args.device, chosen: args.chosen }
      const source = { ...exportSource(store, model.checkpoint, result, recipe.id), options }
      const contents = kitContents(report, recipe.id)
      const made: Artifact[] = []
      for (const target of targets) {
        const support = target.supports(source)
        if (support !== true) {
          host.tell(`${recipe.id} is not written as ${target.id}: ${support}`)
          continue
        }
        const folder = `${recipe.id}/${target.id}`
        const place = {
          editInPlace: async (file: ExportedFile) => {
            const stored = modelFileOf(result.tensors[recipe.id] ?? [], file)
            const isLinked = stored !== null && (await linkFile(join(workFolder, stored), join(partial, folder, file.path)))
            return isLinked ? store.edit(stored) : null
          },
          createSink: (path: string) => nodeFileSink(join(partial, folder, path), { isDurable: false }),
          openWritten: (path: string) => nodeFileSource(join(partial, folder, path)),
          removeWritten: (path: string) => rm(join(partial, folder, path), { force: true }),
          ...hashingPlace(host, join(partial, folder)),
        }
        const job = { target: withKit(target, contents), source, kernels, ...place }
        const written = await writeExport(job, () => undefined, signal)
        const files = [...written.files, await writeChecksums(place, written.files)]
        made.push({ target: target.id, files: files.map((file) => ({ ...file, path: `${folder}/${file.path}` })) })
      }
      artifacts.set(recipe.id, made)
    }
    return withArtifacts(report, artifacts)
  } finally {
    await engines.close()
    await kernels.close()
    await rm(workFolder, { recursive: true, force: true })
  }
}

/** Gives a file a second name; false where the file system has no such thing. */
async function linkFile(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true })
  return link(from, to).then(
    () => true,
    () => false,
  )
}

/** Outside the output folder: it is for other programs, and for other runs. */
async function saveImatrix(path: string, { checkpoint }: OpenModel, result: RunResult): Promise<void> {
  const bytes = await imatrixFile(checkpoint, result, path.endsWith('.dat') ? 'dat' : 'gguf')
  try {
    await mkdir(dirname(resolve(path)), { recursive: true })
    await writeFile(path, bytes)
  } catch (cause) {
    const message = `${path} cannot be written.`
    throw new StudioError('usage', { title: 'Nothing can be written there', message, remedy: 'Choose another --save-imatrix.' }, { cause })
  }
}

function hashingPlace({ startHasher }: CliHost, folder: string): Pick<ExportDestination, 'startHasher'> {
  return startHasher === undefined ? {} : { startHasher: () => startHasher((path) => join(folder, path)) }
}

function withArtifacts(report: RunReport, artifacts: ReadonlyMap<string, Artifact[]>): RunReport {
  const add = <R extends QuantizedReport>(recipes: readonly R[]): R[] =>
    recipes.map((recipe) => ({ ...recipe, artifacts: artifacts.get(recipe.id) ?? [] }))
  return report.evaluation === null ? { ...report, recipes: add(report.recipes) } : { ...report, recipes: add(report.recipes) }
}

/** A format that can hold none of the recipes is a mistake worth saying before the work, not after. */
function refuseTargets(plan: Plan, targets: readonly { readonly id: string }[]): void {
  for (const { id } of targets) {
    const supports = plan.recipes.map((recipe) => recipe.targets.find((target) => target.id === id)?.support ?? true)
    if (supports.length === 0 || supports.some((support) => support === true)) continue
    const message = `No recipe can be written as ${id}: ${String(supports[0])}`
    throw new StudioError('export-refused', { title: 'This format cannot hold the recipe', message, remedy: 'Choose another format.' })
  }
}

/** A GGUF file, with the other parts of it that lie beside. */
async function ggufModel(path: string) {
  const whole = (name: string): string => name.replace(/(-\d{5}-of-\d{5})?\.gguf$/, '')
  const name = whole(basename(path))
  const files = [...(await nodeFolderFiles(dirname(path)))].filter(([each]) => each.endsWith('.gguf') && whole(each) === name)
  return { name, kind: 'files' as const, files: new Map(files) }
}

async function findModel(
  model: string,
  host: CliHost,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly kind: 'files' | 'hub'; readonly files: ReadonlyMap<string, ByteSource> }> {
  if (await isKind(model, 'folder')) return { name: basename(resolve(model)), kind: 'files', files: await nodeFolderFiles(model) }
  if (model.endsWith('.gguf') && (await isKind(model, 'file'))) return ggufModel(model)
  if (!/^[\w-][\w.-]*\/[\w.-]+(@\S+)?$/.test(model)) {
    throw new StudioError('file-missing', {
      title: 'No such model',
      message: `There is no folder "${model}", and it is not a Hub id.`,
      remedy: 'Give a folder with config.json and *.safetensors, a .gguf file, or owner/name.',
    })
  }
  const { name, files } = await openHubFiles({ id: model, ...hubSettings(host) }, (progress) => tellWaiting(progress, host), signal)
  return { name, kind: 'hub', files }
}

/** Whom to ask, and where to keep what came. */
function hubSettings({ env }: CliHost): Pick<HubOpenRequest, 'accessToken' | 'endpoint' | 'cache'> {
  const cacheFolder = join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'quantization-studio', 'hub')
  return {
    accessToken: env['HF_TOKEN'] ?? null,
    endpoint: env['HF_ENDPOINT'] ?? defaultHubEndpoint,
    cache: new NodeFileStore(cacheFolder),
  }
}

function tellWaiting(progress: HubProgress, host: CliHost): void {
  if (progress.kind === 'waiting') host.tell(`${progress.reason} Trying again in ${Math.ceil(progress.seconds)} s.`)
}

function hubTexts(
  { host, tokenizer, seed }: { readonly host: CliHost; readonly tokenizer: Tokenizer; readonly seed: number },
  signal: AbortSignal,
): FetchHubText {
  return async ({ hubId }, wanted) => {
    const asked = { id: hubId, seed, ...wanted, ...hubSettings(host) }
    const { name, text, documents, tokens } = await readHubText(asked, tokenizer, (progress) => tellWaiting(progress, host), signal)
    host.tell(`Text of the Hub: ${name}, ${documents.toLocaleString('en-US')} documents, ${tokens.toLocaleString('en-US')} tokens`)
    return { name, text }
  }
}

/** Replaces what was written before under the same names; everything else in the folder stays. */
async function moveInto(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from)) {
    await rm(join(to, name), { recursive: true, force: true })
    await rename(join(from, name), join(to, name))
  }
}

function tellPlan(plan: Plan, host: CliHost): void {
  const recipes = `${plan.recipes.length} ${plan.recipes.length === 1 ? 'recipe' : 'recipes'}`
  const text = plan.scoredTokens === 0 ? 'nothing measured on a text' : `${plan.scoredTokens.toLocaleString('en-US')} scored tokens`
  host.tell(`${recipes}, ${text}, at most ${bytesText(plan.peakMemoryBytes)} of memory`)
  if (plan.calibrationCoverage !== null) {
    const { distinct, vocabulary } = plan.calibrationCoverage
    const [tokens, ids, all] = [plan.calibrationTokens, distinct, vocabulary].map((number) => number.toLocaleString('en-US'))
    host.tell(`Calibrated on ${tokens ?? ''} tokens, ${ids ?? ''} different ones of the ${all ?? ''} in the vocabulary`)
  }
  for (const { severity, recipeId, text, remedy } of plan.issues) {
    if (severity !== 'error')
      host.tell(`${severity === 'warning' ? 'Warning' : 'Note'}${recipeId === null ? '' : `, ${recipeId}`}: ${text} ${remedy}`)
  }
}

function tellResults(report: RunReport, host: CliHost): void {
  const row = (cells: readonly string[]): string => cells.map((cell, i) => (i === 0 ? cell.padEnd(28) : cell.padStart(13))).join('')
  if (report.evaluation === null) {
    host.tell(row(['recipe', 'bit/weight', 'size', 'made in', 'size of']))
    for (const { id, bitsPerWeight, bytes, bytesOf, seconds } of report.recipes) {
      host.tell(row([id, bitsPerWeight.toFixed(2), bytesText(bytes), `${seconds.toFixed(1)} s`, ` ${bytesOf}`]))
    }
    return
  }
  const { float } = report.evaluation
  host.tell(row(['recipe', 'bit/weight', 'size', 'perplexity', 'above float', 'KL mean', 'same top', 'size of']))
  host.tell(row(['float', '', bytesText(report.model.sourceBytes), float.perplexity.toFixed(4), '', '', '', '']))
  for (const recipe of report.recipes) {
    host.tell(
      row([
        recipe.id,
        recipe.bitsPerWeight.toFixed(2),
        bytesText(recipe.bytes),
        recipe.perplexity.toFixed(4),
        `${(100 * recipe.aboveFloat.value).toFixed(2)} %`,
        recipe.klDivergence.mean.toPrecision(3),
        `${(100 * recipe.sameTopToken).toFixed(1)} %`,
        ` ${recipe.bytesOf}`,
      ]),
    )
  }
  for (const recipe of report.recipes) tellSparsity(recipe, host)
  for (const recipe of report.recipes) tellFindings(recipe, host)
}

/** Least and most over the pruned matrices; report.json has each. */
function tellSparsity({ id, layers }: RunReport['recipes'][number], host: CliHost): void {
  const shares = layers.flatMap(({ sparsity }) => (sparsity === undefined ? [] : [100 * sparsity]))
  if (shares.length === 0) return
  const [least, most] = [Math.min(...shares).toFixed(1), Math.max(...shares).toFixed(1)]
  host.tell(`${id}: ${least === most ? least : `${least} to ${most}`} % of the weights of each matrix are 0`)
}

/** What did not go as asked, each sort once; report.json names every matrix. */
function tellFindings({ id, layers }: RunReport['recipes'][number], host: CliHost): void {
  const names = new Map<string, string[]>()
  for (const { name, findings = [] } of layers) {
    for (const { cause, tried, remedy } of findings) {
      const text = `${cause} ${tried} ${remedy}`
      names.set(text, [...(names.get(text) ?? []), name])
    }
  }
  for (const [text, [first = '', ...others]] of names) {
    host.tell(`Note, ${id}: ${first}${others.length === 0 ? '' : ` and ${others.length} more`}: ${text}`)
  }
}
