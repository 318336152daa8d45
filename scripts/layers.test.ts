import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'

/** One file that breaks each rule of `.dependency-cruiser.cjs`: rule name to [file, import, what the imported file is]. */
const planted: Record<string, readonly [file: string, imports: string]> = {
  'core-layer': ['src/core/a.ts', '../io/target.ts'],
  'kernels-layer': ['src/kernels/a.ts', '../models/target.ts'],
  'ui-layer': ['src/ui/a.ts', '../kernels/target.ts'],
  'ui-types-only': ['src/ui/b.ts', '../pipeline/target.ts'],
  'no-circular': ['src/core/loop-a.ts', './loop-b.ts'],
  'no-unresolvable': ['src/core/c.ts', './nothing.ts'],
  'backends-are-anonymous': ['src/pipeline/a.ts', '../kernels/wasm/target.ts'],
  'backends-are-strangers': ['src/kernels/wasm/a.ts', '../reference/target.ts'],
  'plugins-are-strangers': ['src/quantization/grids/a.ts', './target.ts'],
  'workers-are-reached-by-url': ['src/app/a.ts', '../../workers/target.ts'],
  'workers-are-headless': ['workers/a.ts', '../src/state/target.ts'],
  'react-stays-in-ui': ['src/state/a.ts', 'react'],
  'engines-stay-in-runtime': ['src/evaluation/a.ts', 'onnxruntime-web'],
  'comlink-stays-in-rpc': ['src/state/b.ts', 'comlink'],
  'no-test-code-in-product': ['src/pipeline/b.ts', '../testing/target.ts'],
}

test('each layering rule fires on a planted fault', { timeout: 60_000 }, () => {
  const project = path.resolve(import.meta.dirname, '..')
  const tree = mkdtempSync(path.join(tmpdir(), 'layers-'))
  try {
    const write = (file: string, text: string): void => {
      mkdirSync(path.dirname(path.join(tree, file)), { recursive: true })
      writeFileSync(path.join(tree, file), text)
    }
    for (const name of ['.dependency-cruiser.cjs', 'tsconfig.base.json', 'tsconfig.json'])
      copyFileSync(path.join(project, name), path.join(tree, name))
    write('package.json', '{"type":"module","dependencies":{"react":"*","onnxruntime-web":"*","comlink":"*"}}')
    for (const [file, imports] of Object.values(planted)) {
      write(file, `import { x } from '${imports}'\nexport const y = x\n`)
      const target = path.join(path.dirname(file), imports)
      if (imports.endsWith('target.ts')) write(target, 'export const x = 1\n')
    }
    for (const name of ['react', 'onnxruntime-web', 'comlink']) {
      write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: 'index.js' }))
      write(`node_modules/${name}/index.js`, 'exports.x = 1\n')
    }
    write('src/core/loop-b.ts', "import { y } from './loop-a.ts'\nexport const x = y\n")

    const cli = path.join(project, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
    const result = spawnSync(process.execPath, [cli, 'src', 'workers', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'], {
      cwd: tree,
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
    })
    const report = JSON.parse(result.stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } }
    const fired = report.summary.violations.map((violation) => `${violation.rule.name} ${violation.from}`)
    for (const [rule, [file]] of Object.entries(planted)) expect(fired).toContain(`${rule} ${file}`)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
})
