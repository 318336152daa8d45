import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../checkpoint/open.ts'
import { nodeFolderFiles } from '../headless/node-source.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createInlineKernels } from '../kernels/inline.ts'
import { loadWasmOperations } from '../kernels/wasm/index.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { createTokenizer } from '../runtime/engines/tokenizer.ts'
import { measured } from '../testing/measured.ts'
import { EngineSupply } from './engine-supply.ts'
import { executeRun, type OpenModel } from './execute-run.ts'
import type { MeasuredRun } from './report.ts'

// Results of a float64 NumPy implementation; `../shared/golden/stories260K.json` says how they were made.
const shared = new URL('../../../shared/', import.meta.url)
const isPresent = existsSync(new URL('golden/stories260K.json', shared))
if (!isPresent) process.stderr.write('skipped: the walk over stories260K, because ../shared is not here\n')

interface Golden {
  readonly windows_256: { readonly nll: number; readonly tokens: number; readonly perplexity: number }
  readonly nearest_block_linears: Readonly<Record<string, { readonly perplexity: number; readonly mse: number }>>
}

describe.skipIf(!isPresent)('the walk over stories260K', () => {
  const text = (path: string): string => readFileSync(new URL(path, shared), 'utf8')
  const golden = isPresent ? (JSON.parse(text('golden/stories260K.json')) as Golden) : null
  const rows = Object.entries(golden?.nearest_block_linears ?? {})
  const idOf = (row: string): string => {
    const [bits, symmetry] = row.split('-')
    return `nearest-${bits ?? ''}-channel${symmetry === 'sym' ? '-sym' : ''}`
  }
  let model: OpenModel
  let report: MeasuredRun

  beforeAll(async () => {
    const files = await nodeFolderFiles(new URL('models/stories260K', shared).pathname)
    const checkpoint = await openCheckpoint({ name: 'stories260K', originKind: 'files', files })
    model = { checkpoint, tokenizer: createTokenizer(checkpoint.tokenizerFiles) }
    const kernels = createInlineKernels(await loadWasmOperations())
    const engines = new EngineSupply([() => createOnnxEngine({ backend: 'wasm', threads: 2 })], checkpoint.graph)
    const request = {
      recipes: rows.map(([row]) => parseRecipe(idOf(row))),
      evaluation: {
        text: text('text/tinystories.evaluation.txt'),
        textName: 'tinystories.evaluation.txt',
        protocol: 'windows' as const,
        inputs: 'float' as const,
        contextLength: 256,
        maxTokens: null,
      },
      calibration: null,
      importance: null,
      seed: 0,
    }
    const run = await executeRun(
      {
        model,
        request,
        machine: { store: new MemoryFileStore(), threads: 1, memoryLimitBytes: 2e9, rates: [] },
        tools: {
          kernels,
          engines,
          versions: { version: 'test', onnxruntime: 'test' },
          now: () => performance.now(),
          memoryBytes: () => null,
        },
      },
      () => undefined,
      new AbortController().signal,
    )
    report = measured(run)
    await engines.close()
    await kernels.close()
  }, 120_000)

  afterAll(async () => {
    await model.checkpoint.close()
  })

  it('gives the float perplexity of the reference', () => {
    const { float, tokens } = report.evaluation
    expect(tokens).toBe(golden?.windows_256.tokens)
    expect(Math.abs(float.nll - (golden?.windows_256.nll ?? 0))).toBeLessThan(1e-4)
  })

  it.each(rows)('gives perplexity and error of nearest rounding at %s', (row, expected) => {
    const recipe = report.recipes.find(({ id }) => id === idOf(row))
    const weights = (name: string): number =>
      (model.checkpoint.tensors.get(name)?.shape ?? []).reduce((product, extent) => product * extent, 1)
    const total = recipe?.layers.reduce((sum, layer) => sum + weights(layer.name), 0) ?? 0
    const mse = (recipe?.layers.reduce((sum, layer) => sum + layer.mse * weights(layer.name), 0) ?? 0) / total
    expect(Math.abs((recipe?.perplexity ?? 0) / expected.perplexity - 1)).toBeLessThan(0.002)
    expect(Math.abs(mse / expected.mse - 1)).toBeLessThan(0.005)
  })

  it('measures more error with fewer bits', () => {
    const outputErrors = [8, 6, 5, 4, 3, 2].map((bits) => {
      const layers = report.recipes.find(({ id }) => id === `nearest-${bits}bit-channel`)?.layers ?? []
      return layers.reduce((sum, layer) => sum + (layer.outputError ?? Number.NaN), 0) / layers.length
    })
    expect(outputErrors).toEqual([...outputErrors].sort((a, b) => a - b))
    expect(outputErrors[0]).toBeGreaterThan(0)
  })
})
