// Compiles AssemblyScript (plain SIMD) to modules that hold the WASM as base64, so that workers, Node and bundles load it alike: the
// kernels of src/kernels/wasm/assembly to src/kernels/wasm/build/kernels.ts, and what turns rows into lines and
// codes into other widths, which is in src/kernels/transpose and src/kernels/codes. Does nothing when the sources are unchanged.
// Imported by `bundle.mjs`, which spares a process at every start of the command line.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const self = fileURLToPath(import.meta.url)
const root = path.dirname(path.dirname(self))
/** Folder of each module, with its sources in `assembly/`, and what it is called. */
const modules = [
  ['src/kernels/wasm', 'kernels'],
  ['src/kernels/transpose', 'transpose'],
  ['src/kernels/codes', 'codes'],
]
const packageFile = path.join(root, 'node_modules/assemblyscript/package.json')

/** Compiles what has changed; the exit code. */
export async function buildWasm() {
  for (const [folder, name] of modules) {
    const code = await buildModule(path.join(root, folder), name)
    if (code !== 0) return code
  }
  return 0
}

async function buildModule(folder, name) {
  const assembly = path.join(folder, 'assembly')
  const target = path.join(folder, 'build', `${name}.ts`)
  const sources = readdirSync(assembly)
    .filter((file) => file.endsWith('.ts') || file.endsWith('.mjs'))
    .filter((file) => !file.endsWith('.generated.ts'))
    .sort()
    .map((file) => path.join(assembly, file))
  const hash = createHash('sha256')
  for (const file of [self, packageFile, ...sources]) hash.update(readFileSync(file))
  const stamp = `// sources ${hash.digest('hex')}`
  if (existsSync(target) && readFileSync(target, 'utf8').startsWith(stamp)) return 0
  return compile({ name, assembly, sources, target, stamp })
}

async function compile({ name, assembly, sources, target, stamp }) {
  // The compiler is large: loaded only when there is something to compile.
  const { default: asc } = await import('assemblyscript/asc')
  for (const template of sources.filter((file) => file.endsWith('.template.mjs'))) {
    const { source } = await import(pathToFileURL(template).href)
    writeFileSync(template.replace('.template.mjs', '.generated.ts'), source)
  }

  mkdirSync(path.dirname(target), { recursive: true })
  const binary = path.join(path.dirname(target), `${name}.wasm`)
  const flags = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd']
  const entry = path.relative(root, path.join(assembly, 'index.ts'))
  const { error, stderr } = await asc.main([entry, '--baseDir', root, '--outFile', binary, ...flags])
  if (error) {
    console.error(stderr.toString())
    console.error(`The WASM of ${name} could not be compiled.`)
    return 1
  }

  const wasm = readFileSync(binary)
  // Renamed into place, so that a program that starts meanwhile never reads half of it.
  const draft = `${target}.${process.pid}`
  writeFileSync(draft, `${stamp}\nexport const wasmBase64 =\n  '${wasm.toString('base64')}'\n`)
  renameSync(draft, target)
  console.error(`${name}: ${wasm.length} bytes of WASM.`)
  return 0
}

if (process.argv[1] === self) process.exitCode = await buildWasm()
