// Bundles TypeScript entries for Node: Node 20 cannot run them as they are, and the folder registries need the bundler.
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildWasm } from './build-wasm.mjs'
import { root } from './setup.mjs'

/**
 * Builds `entries` (name to source file) into `dist-headless/<folder>` when any source is newer, with the WASM kernels they
 * need; returns a function from name to the URL of its module. Ends the process when the build fails.
 */
export async function bundleForNode(folder, entries) {
  const outDir = path.join(root, 'dist-headless', folder)
  const outputs = Object.keys(entries).map((name) => path.join(outDir, `${name}.mjs`))
  if ((await buildWasm()) !== 0) process.exit(1)
  const sources = ['src', 'bench', 'scripts', 'package-lock.json'].map((name) => path.join(root, name))
  if (!outputs.every(existsSync) || newest(sources) > Math.min(...outputs.map((file) => statSync(file).mtimeMs))) {
    const { build } = await import('vite')
    await build({
      root,
      configFile: false,
      logLevel: 'warn',
      publicDir: false,
      build: {
        ssr: true,
        outDir,
        target: 'node20',
        rollupOptions: { input: entries, output: { format: 'es', entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' } },
      },
    })
  }
  return (name) => pathToFileURL(path.join(outDir, `${name}.mjs`))
}

function newest(files) {
  return Math.max(
    ...files.map((file) => {
      const entry = statSync(file)
      return entry.isDirectory() ? newest(readdirSync(file).map((name) => path.join(file, name))) : entry.mtimeMs
    }),
    0,
  )
}
