import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { MeasuredRun, RunReport } from '../pipeline/report.ts'
import { createNativeEngine } from '../runtime/engines/native.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { startHubServer } from '../testing/hub-server.ts'
import { parquetFixture } from '../testing/parquet-fixture.ts'
import { tinyModelFiles } from '../testing/tiny-model.ts'
import { tinyText } from '../testing/tiny-run.ts'
import { runCli } from './run-cli.ts'

vi.setConfig({ testTimeout: 60_000 })

let folder: string

async function command(
  argv: readonly string[],
  { signal = new AbortController().signal, env = {} }: { signal?: AbortSignal; env?: Record<string, string> } = {},
): Promise<{ code: number; lines: string[]; faults: string[] }> {
  const lines: string[] = []
  const faults: string[] = []
  const code = await runCli(
    argv,
    {
      env,
      cores: 1,
      versions: { version: 'test', onnxruntime: 'test' },
      samples: join(folder, 'samples'),
      createKernels: async () => createReferenceKernels(),
      createEngine: (engine) => (engine === 'native' ? createNativeEngine(1) : createOnnxEngine({ backend: 'wasm', threads: 1 })),
      tell: (line) => lines.push(line),
      complain: (line) => faults.push(line),
    },
    signal,
  )
  return { code, lines, faults }
}

async function writeModel(name: string, change: (files: Map<string, Uint8Array<ArrayBuffer>>) => void = () => undefined): Promise<string> {
  const path = join(folder, name)
  await mkdir(path, { recursive: true })
  const files = tinyModelFiles({ config: { hidden_size: 32, intermediate_size: 64 } })
  change(files)
  for (const [file, bytes] of files) await writeFile(join(path, file), bytes)
  return path
}

describe('the command line', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quantize-'))
    await mkdir(join(folder, 'samples'))
    await writeFile(join(folder, 'samples', 'evaluation.txt'), tinyText)
    await writeFile(join(folder, 'samples', 'calibration.txt'), Array.from(tinyText).reverse().join(''))
    await writeFile(join(folder, 'empty.txt'), '')
    await writeFile(join(folder, 'mine.json'), '{"id":"mine","grid":{"kind":"ggml","type":"Q8_0"},"head":"grid"}')
    await writeModel('model')
  })

  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('writes the report and the artifacts, and nothing else', async () => {
    const out = join(folder, 'out')
    const recipes = ['--recipe', 'nearest-4bit-g32', '--recipe', 'Q4_0', '--recipe', join(folder, 'mine.json')]
    const { code, faults } = await command([join(folder, 'model'), ...recipes, '--context', '16', '--export', 'gguf,gptq', '--out', out])
    expect(faults).toEqual([])
    expect(code).toBe(0)
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as RunReport
    expect(report.model).toMatchObject({
      name: 'model',
      family: 'llama',
      parameters: expect.any(Number) as number,
      sourceBytes: expect.any(Number) as number,
    })
    expect(report.evaluation).toMatchObject({
      protocol: 'windows',
      contextLength: 16,
      tokens: 43 * 15,
      float: { nll: expect.any(Number) as number, perplexity: expect.any(Number) as number },
    })
    expect(report.recipes.map(({ id }) => id)).toEqual(['nearest-4bit-g32', 'Q4_0', 'mine'])
    for (const recipe of report.recipes) {
      expect(Object.keys(recipe)).toEqual(
        expect.arrayContaining([
          'id',
          'recipe',
          'bitsPerWeight',
          'bytes',
          'nll',
          'perplexity',
          'klDivergence',
          'sameTopToken',
          'layers',
          'artifacts',
          'backend',
          'seconds',
        ]),
      )
      expect(recipe.artifacts).toHaveLength(1)
      for (const { files } of recipe.artifacts) {
        for (const { path, bytes } of files) expect((await readFile(join(out, path))).length).toBe(bytes)
      }
    }
    expect((await readdir(out)).sort()).toEqual(['Q4_0', 'mine', 'nearest-4bit-g32', 'report.json'])
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([])
  })

  it('runs the model in the native ONNX Runtime when asked to, with the same figures', async () => {
    const run = async (engine: string): Promise<RunReport> => {
      const out = join(folder, engine)
      const common = [join(folder, 'model'), '--recipe', 'gptq-4bit-g32', '--context', '16', '--max-tokens', '320']
      const { faults } = await command([...common, '--engine', engine, '--out', out])
      expect(faults).toEqual([])
      return JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as RunReport
    }
    const [native, wasm] = [await run('native'), await run('wasm')]
    expect([native, wasm].map(({ recipes }) => recipes[0]?.backend)).toEqual([
      expect.stringContaining('native x1'),
      expect.stringContaining('wasm x'),
    ])
    expect(native.evaluation?.float.perplexity).toBeCloseTo(wasm.evaluation?.float.perplexity ?? 0, 4)
  })

  it('measures with the inputs of llama.cpp when asked to, and the report says so', async () => {
    const run = async (out: string, argv: readonly string[]): Promise<RunReport> => {
      const common = [join(folder, 'model'), '--recipe', 'Q4_0', '--context', '16', '--max-tokens', '320', '--out', join(folder, out)]
      const { faults } = await command([...common, ...argv])
      expect(faults).toEqual([])
      return JSON.parse(await readFile(join(folder, out, 'report.json'), 'utf8')) as RunReport
    }
    const [floats, rounded] = [await run('floats', []), await run('rounded', ['--inputs', 'llama.cpp'])]
    expect([floats.evaluation?.inputs, rounded.evaluation?.inputs]).toEqual(['float', 'llama.cpp'])
    expect(rounded.evaluation?.float).toEqual(floats.evaluation?.float)
    expect(rounded.recipes[0]).not.toHaveProperty('perplexity', (floats as MeasuredRun).recipes[0]?.perplexity)
    expect(rounded.recipes[0]?.layers).toEqual(floats.recipes[0]?.layers)
  })

  it('calibrates on the bundled text unless told otherwise, and only where a recipe learns', async () => {
    const run = async (out: string, argv: readonly string[]): Promise<RunReport> => {
      const common = [join(folder, 'model'), '--context', '16', '--max-tokens', '320', '--out', join(folder, out)]
      const { code, faults } = await command([...common, ...argv])
      expect(faults).toEqual([])
      expect(code).toBe(0)
      return JSON.parse(await readFile(join(folder, out, 'report.json'), 'utf8')) as RunReport
    }
    expect((await run('plain', ['--recipe', 'Q4_0'])).calibration).toBeNull()
    const bundled = await run('bundled', ['--recipe', 'Q4_0+imatrix'])
    const covered = { distinctTokens: 26, vocabulary: 29, usesChatTemplate: false, sharedWithEvaluation: 0 }
    expect(bundled.calibration).toEqual({ textName: 'Bundled calibration text', windows: 32, contextLength: 16, tokens: 512, ...covered })
    const named = ['--calibration', join(folder, 'samples', 'evaluation.txt'), '--calibration-tokens', '100', '--calibration-context', '20']
    const own = await run('own', ['--recipe', 'Q4_0+imatrix', ...named])
    expect(own.calibration).toMatchObject({ textName: 'evaluation.txt', windows: 5, contextLength: 20, tokens: 100 })

    const saved = join(folder, 'saved', 'tiny.dat')
    expect((await run('saving', ['--recipe', 'Q4_0', '--save-imatrix', saved])).importance?.chunks).toBe(32)
    const used = await run('using', ['--recipe', 'Q4_0+imatrix', '--imatrix', saved])
    expect(used.calibration).toBeNull()
    expect(used.importance).toEqual({ fileName: 'tiny.dat', dataset: 'Bundled calibration text', chunks: 32, entries: 14 })
    expect(used.recipes[0]?.layers.map(({ mse }) => mse)).toEqual(bundled.recipes[0]?.layers.map(({ mse }) => mse))
  })

  it.each([
    ['--chat-template', [], 'This model has no chat template'],
    ['--imatrix', ['FOLDER/empty.txt'], 'not an importance matrix that can be read'],
    ['--save-imatrix', ['FOLDER/empty.txt/x.gguf'], 'cannot be written'],
  ])('says why %s is not possible', async (option, values, text) => {
    const argv = [
      '--recipe',
      'Q4_0+imatrix',
      '--context',
      '16',
      '--max-tokens',
      '64',
      option,
      ...values.map((v) => v.replace('FOLDER', folder)),
    ]
    const { code, faults } = await command([join(folder, 'model'), ...argv, '--out', join(folder, 'refused')])
    expect(code).toBe(2)
    expect(faults.join()).toContain(text)
    expect(await readdir(folder)).not.toContain('refused')
  })

  it('only quantizes when asked to measure nothing, and says so', async () => {
    const out = join(folder, 'files-alone')
    const argv = ['--recipe', 'Q8_0', '--evaluation', 'none', '--export', 'gguf', '--out', out]
    const { code, lines } = await command([join(folder, 'model'), ...argv])
    expect(code).toBe(0)
    expect(lines.join('\n')).toContain('nothing measured on a text')
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as RunReport
    expect(report.evaluation).toBeNull()
    const [recipe] = report.recipes
    expect(recipe).not.toHaveProperty('perplexity')
    expect(recipe?.layers.every(({ outputError, sqnrDb }) => outputError === null && sqnrDb > 20)).toBe(true)
    const [file] = recipe?.artifacts[0]?.files ?? []
    const bytes = await readFile(join(out, file?.path ?? ''))
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(file?.sha256)
    // It is where its run stored the weights, and that has no other name any more.
    expect((await stat(join(out, file?.path ?? ''))).nlink).toBe(1)
    const measured = join(folder, 'measured-as-well')
    const measuring = ['--recipe', 'Q8_0', '--context', '16', '--export', 'gguf', '--out', measured]
    expect((await command([join(folder, 'model'), ...measuring])).code).toBe(0)
    expect((await readFile(join(measured, file?.path ?? ''))).equals(bytes)).toBe(true)
  })

  it('writes figures as plain numbers, and artifacts that are what the report says', async () => {
    const run = async (out: string): Promise<MeasuredRun> => {
      const argv = ['--recipe', 'Q8_0', '--context', '16', '--export', 'gguf', '--seed', '7', '--max-tokens', '320']
      const { code } = await command([join(folder, 'model'), ...argv, '--out', join(folder, out)])
      expect(code).toBe(0)
      return JSON.parse(await readFile(join(folder, out, 'report.json'), 'utf8')) as MeasuredRun
    }
    const [first, second] = [await run('first'), await run('second')]
    expect(first.evaluation.tokens).toBe(20 * 15)
    const [recipe] = first.recipes
    const { mean, median, p999, max } = recipe?.klDivergence ?? {}
    const figures = [recipe?.bitsPerWeight, recipe?.bytes, recipe?.nll, recipe?.perplexity, recipe?.sameTopToken, recipe?.seconds]
    for (const figure of [...figures, mean, median, p999, max]) expect(figure).toEqual(expect.any(Number))
    for (const layer of recipe?.layers ?? []) {
      for (const figure of [layer.mse, layer.sqnrDb, layer.cosine, layer.outputError]) expect(figure).toEqual(expect.any(Number))
    }
    for (const { path, sha256 } of recipe?.artifacts.flatMap(({ files }) => files) ?? []) {
      expect(path.startsWith('Q8_0/gguf/')).toBe(true)
      expect(
        createHash('sha256')
          .update(await readFile(join(folder, 'first', path)))
          .digest('hex'),
      ).toBe(sha256)
    }
    const [again] = second.recipes
    expect({ ...again, seconds: 0 }).toEqual({ ...recipe, seconds: 0 })
  })

  it('opens a GGUF file, or all of its parts by the first, and quantizes it again', async () => {
    const model = await writeModel('to-pack', (files) => {
      for (const [path, bytes] of tinyModelFiles({ config: { hidden_size: 32, intermediate_size: 64 } })) files.set(path, bytes)
    })
    const out = join(folder, 'packed')
    expect((await command([model, '--recipe', 'Q8_0', '--evaluation', 'none', '--export', 'gguf', '--out', out])).code).toBe(0)
    const packed = join(out, 'Q8_0', 'gguf', 'to-pack-Q8_0.gguf')
    const again = join(folder, 'again')
    const { code, faults } = await command([packed, '--recipe', 'Q4_0', '--evaluation', 'none', '--export', 'gguf', '--out', again])
    expect([code, faults]).toEqual([0, []])
    expect((await readdir(join(again, 'Q4_0', 'gguf'))).sort()).toContain('to-pack-Q8_0-Q4_0.gguf')
  })

  it('opens a Hub id from the endpoint of the environment', async () => {
    const hub = await startHubServer({ 'owner/tiny': tinyModelFiles({ config: { hidden_size: 32, intermediate_size: 64 }, shards: 2 }) })
    try {
      const out = join(folder, 'from-hub')
      const env = { HF_ENDPOINT: hub.endpoint, XDG_CACHE_HOME: join(folder, 'cache') }
      const { code, faults } = await command(['owner/tiny', '--recipe', 'Q8_0', '--context', '16', '--out', out], { env })
      expect([code, faults]).toEqual([0, []])
      const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as RunReport
      expect(report.model.name).toBe('owner/tiny')
      const absent = await command(['owner/absent', '--recipe', 'Q8_0', '--context', '16', '--out', join(folder, 'refused')], { env })
      expect([absent.code, absent.faults.length]).toEqual([2, 1])
    } finally {
      await hub.close()
    }
  })

  it('calibrates and measures on data sets of the Hub, with a chat template where asked', async () => {
    const [zstd, pages] = await Promise.all(['zstd', 'pages'].map(parquetFixture))
    const files = (entries: readonly (readonly [string, Uint8Array | undefined])[]) =>
      new Map(entries.flatMap(([path, bytes]) => (bytes === undefined ? [] : [[path, bytes] as const])))
    const hub = await startHubServer({
      'datasets/o/stories@refs/convert/parquet': files([
        ['small/train/0000.parquet', pages],
        ['small/test/0000.parquet', zstd],
      ]),
    })
    try {
      const chat = { chat_template: '{% for m in messages %}{{ bos_token ~ m.content ~ eos_token }}{% endfor %}' }
      const model = await writeModel('chat', (all) => {
        for (const [path, bytes] of tinyModelFiles({ config: { hidden_size: 32, intermediate_size: 64 }, tokenizerConfig: chat }))
          all.set(path, bytes)
      })
      const env = { HF_ENDPOINT: hub.endpoint, XDG_CACHE_HOME: join(folder, 'text-cache') }
      const texts = ['--calibration', 'hub:o/stories:small', '--evaluation', 'hub:o/stories:small:test', '--calibration-tokens', '320']
      const common = [model, '--recipe', 'Q4_0+imatrix', '--context', '16', '--max-tokens', '320', ...texts]
      const run = async (...more: string[]) => {
        const out = join(folder, 'hub-texts')
        const { code, faults, lines } = await command([...common, ...more, '--out', out], { env })
        expect([code, faults]).toEqual([0, []])
        return { report: JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as RunReport, lines: lines.join('\n') }
      }
      const { report, lines } = await run()
      expect(report.evaluation?.textName).toMatch(/^o\/stories small test @[0-9a-f]{7}$/)
      expect(report.calibration).toMatchObject({ windows: 20, tokens: 320, usesChatTemplate: false })
      expect(report.calibration?.textName).toMatch(/^o\/stories small train @/)
      expect(lines).toContain('Text of the Hub: o/stories small train')
      expect(lines).toContain('Calibrated on 320 tokens, ')
      const templated = (await run('--chat-template')).report
      expect(templated.calibration).toMatchObject({ usesChatTemplate: true, contextLength: 16 })
      expect(templated.planHash).not.toBe(report.planHash)
      expect((await run('--seed', '9')).report.planHash).not.toBe(report.planHash)
      const absent = await command([...common, '--calibration', 'hub:o/absent', '--out', join(folder, 'refused')], { env })
      expect([absent.code, absent.faults]).toEqual([2, [expect.stringContaining('No such data set')]])
    } finally {
      await hub.close()
    }
  })

  it('takes the options that formats declare', async () => {
    const out = join(folder, 'halves')
    const model = join(folder, 'model')
    const argv = [model, '--recipe', 'nearest-4bit-g32', '--evaluation', 'none', '--export', 'onnx', '--activations', 'f16', '--out', out]
    expect((await command(argv)).code).toBe(0)
    expect(await readdir(join(out, 'nearest-4bit-g32', 'onnx', 'onnx'))).toContain('model_q4f16.onnx')
    expect((await command(['--help'])).lines.join('\n')).toMatch(/^--activations V +ONNX: f32 \(default\) or f16\. /m)
  })

  it('shows its help', async () => {
    const { code, lines } = await command(['--help'])
    expect(code).toBe(0)
    expect(lines.join('\n')).toContain('--recipe R')
  })

  const cases: readonly (readonly [string, (model: string) => readonly string[], string])[] = [
    ['no model', () => ['--recipe', 'Q4_0'], 'No model is given'],
    ['no recipe', (model) => [model], 'No recipe is given'],
    ['an unknown option', (model) => [model, '--recipe', 'Q4_0', '--colour', 'red'], "Unknown option '--colour'"],
    ['an unknown recipe', (model) => [model, '--recipe', 'nearest-4bit-g7'], 'nearest-4bit-g16'],
    ['a recipe file that is not there', (model) => [model, '--recipe', 'absent.json'], 'absent.json cannot be read'],
    ['an unknown target', (model) => [model, '--recipe', 'Q4_0', '--export', 'tar'], 'no export target "tar"'],
    [
      'a target that holds none of the recipes',
      (model) => [model, '--recipe', 'Q4_0', '--export', 'gptq', '--context', '16'],
      'No recipe can be written as gptq',
    ],
    ['an engine that is not one', (model) => [model, '--recipe', 'Q4_0', '--engine', 'cuda'], 'no engine "cuda"'],
    ['a protocol that is not one', (model) => [model, '--recipe', 'Q4_0', '--protocol', 'hf'], 'no protocol "hf"'],
    ['inputs that are none', (model) => [model, '--recipe', 'Q4_0', '--inputs', 'int8'], 'no inputs "int8": they are float or llama.cpp'],
    ['a device that is not known', (model) => [model, '--recipe', 'Q4_0', '--device', 'toaster'], 'no device "toaster"; there are pi-'],
    ['a type of activations that is none', (model) => [model, '--recipe', 'Q4_0', '--activations', 'bf16'], 'f32 or f16, not "bf16"'],
    ['a file size below the least', (model) => [model, '--recipe', 'Q4_0', '--max-file-size', '500K'], 'a size from 1M on'],
    ['a file size that is not one', (model) => [model, '--recipe', 'Q4_0', '--max-file-size', '4GB'], 'not "4GB"'],
    ['a context that is not a number', (model) => [model, '--recipe', 'Q4_0', '--context', '1e3x'], '--context takes a whole number'],
    ['a model that is not there', () => ['./absent', '--recipe', 'Q4_0'], 'no folder "./absent"'],
    ['a text that is not there', (model) => [model, '--recipe', 'Q4_0', '--evaluation', 'absent.txt'], 'absent.txt cannot be read'],
    ['a data set that is none', (model) => [model, '--recipe', 'Q4_0', '--calibration', 'hub:wikitext'], 'not the name of a data set'],
    [
      'a window longer than the model reads',
      (model) => [model, '--recipe', 'Q4_0', '--context', '300'],
      'Windows of 300 tokens were asked for',
    ],
    ['an empty text', (model) => [model, '--recipe', 'Q4_0', '--evaluation', join(folder, 'empty.txt')], 'this text has 0 tokens'],
  ]

  it.each(cases)('refuses %s with one line and code 2, leaving nothing', async (_, argv, message) => {
    const before = (await readdir(folder)).sort()
    const { code, faults } = await command([...argv(join(folder, 'model')), '--out', join(folder, 'refused', 'deep')])
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(message)
    expect(faults[0]).not.toContain('\n')
    expect(code).toBe(2)
    expect((await readdir(folder)).sort()).toEqual(before)
  })

  it('refuses weights that are not numbers and a truncated file the same way', async () => {
    const weights = 'model.safetensors'
    const nan = await writeModel('nan', (files) => {
      const bytes = files.get(weights)
      if (bytes !== undefined) new DataView(bytes.buffer).setFloat32(bytes.length - 400, Number.NaN, true)
    })
    const short = await writeModel('short', (files) => files.set(weights, (files.get(weights) ?? new Uint8Array(0)).slice(0, -100)))
    for (const [model, message] of [
      [nan, 'NaN'],
      [short, weights],
    ] as const) {
      const { code, faults } = await command([model, '--recipe', 'Q4_0', '--context', '16', '--out', join(folder, 'refused')])
      expect(faults[0]).toContain(message)
      expect([code, faults.length]).toEqual([2, 1])
    }
    expect((await readdir(folder)).filter((name) => name.includes('refused'))).toEqual([])
  })

  it('refuses to write over a file, or beneath one', async () => {
    const file = join(folder, 'empty.txt')
    for (const out of [file, join(file, 'below')]) {
      const { code, faults } = await command([join(folder, 'model'), '--recipe', 'Q4_0', '--context', '16', '--out', out])
      expect([code, faults.length]).toEqual([2, 1])
      expect(faults[0]).toContain('Nothing can be written there')
    }
  })

  it('names what is missing in a folder', async () => {
    const model = await writeModel('bare', (files) => files.delete('config.json'))
    const { code, faults } = await command([model, '--recipe', 'Q4_0', '--out', join(folder, 'refused')])
    expect(code).toBe(2)
    expect(faults).toEqual([expect.stringContaining('config.json is missing')])
  })

  it('leaves nothing when it is stopped', async () => {
    const stop = new AbortController()
    stop.abort()
    const { code } = await command([join(folder, 'model'), '--recipe', 'Q4_0', '--context', '16', '--out', join(folder, 'refused')], {
      signal: stop.signal,
    })
    expect(code).toBe(130)
    expect((await readdir(folder)).filter((name) => name.includes('refused'))).toEqual([])
  })
})
