// Compiles the kernels of src/kernels/wasm/assembly (AssemblyScript, plain SIMD) to src/kernels/wasm/build/kernels.ts: a module
// that holds the WASM as base64, so that workers, Node and bundles load it alike. Does nothing when the sources are unchanged.
// Imported by `bundle.mjs`, which spares a process at every start of the command line.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const self = fileURLToPath(import.meta.url)
const root = path.dirname(path.dirname(self))
const assembly = path.join(root, 'src/kernels/wasm/assembly')
const target = path.join(root, 'src/kernels/wasm/build/kernels.ts')
const packageFile = path.join(root, 'node_modules/assemblyscript/package.json')

/** Compiles what has changed; the exit code. */
export async function buildWasm() {
  const sources = readdirSync(assembly)
    .filter((name) => name.endsWith('.ts') || name.endsWith('.mjs'))
    .filter((name) => !name.endsWith('.generated.ts'))
    .sort()
    .map((name) => path.join(assembly, name))
  const hash = createHash('sha256')
  for (const file of [self, packageFile, ...sources]) hash.update(readFileSync(file))
  const stamp = `// sources ${hash.digest('hex')}`
  if (existsSync(target) && readFileSync(target, 'utf8').startsWith(stamp)) return 0
  return compile(sources, stamp)
}

async function compile(sources, stamp) {
  // The compiler is large: loaded only when there is something to compile.
  const { default: asc } = await import('assemblyscript/asc')
  for (const template of sources.filter((file) => file.endsWith('.template.mjs'))) {
    const { source } = await import(pathToFileURL(template).href)
    writeFileSync(template.replace('.template.mjs', '.generated.ts'), source)
  }

  mkdirSync(path.dirname(target), { recursive: true })
  const binary = path.join(path.dirname(target), 'kernels.wasm')
  const flags = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd']
  const { error, stderr } = await asc.main(['src/kernels/wasm/assembly/index.ts', '--baseDir', root, '--outFile', binary, ...flags])
  if (error) {
    console.error(stderr.toString())
    console.error('The kernels could not be compiled.')
    return 1
  }

  const wasm = readFileSync(binary)
  // Renamed into place, so that a program that starts meanwhile never reads half of it.
  const draft = `${target}.${process.pid}`
  writeFileSync(draft, `${stamp}\nexport const wasmBase64 =\n  '${wasm.toString('base64')}'\n`)
  renameSync(draft, target)
  console.error(`Kernels: ${wasm.length} bytes of WASM.`)
  return 0
}

if (process.argv[1] === self) process.exitCode = await buildWasm()
