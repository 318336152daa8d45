import { expect, it } from 'vitest'
import type { FileStore } from '../io/file-store.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { accelerateKernels } from '../kernels/accelerate.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { openWebGpuKernels } from '../kernels/webgpu/index.ts'
import { openTiny, runTiny, tinyRequest } from '../testing/tiny-run.ts'
import { runFolder } from './journal.ts'

const calibration = {
  text: 'zyxwvutsrqponmlkjihgfedcbaacegikmoqsuwybdfhjlnprtvxz'.repeat(6),
  textName: 'backwards',
  maxTokens: 72,
  contextLength: 12,
  usesChatTemplate: false,
}
// One whose steps are fitted on the way, one in another order of columns, one with levels, one in ggml blocks.
const recipes = ['gptq-4bit-g16', 'gptq-3bit-g16-sym-actorder', 'kmeans-3bit+gptq', 'Q4_0+gptq']

async function storedTensors(store: FileStore, planHash: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const { path } of await store.list(`${runFolder(planHash)}/tensors`)) {
    const source = await store.open(path)
    found.set(path, String(await source?.read(0, source.sizeBytes)))
  }
  return found
}

async function run(kernels: Kernels) {
  const model = await openTiny()
  const store = new MemoryFileStore()
  const report = await runTiny({ model, request: { ...tinyRequest(recipes), calibration }, store, kernels })
  return { backends: report.recipes.map(({ backend }) => backend), tensors: await storedTensors(store, report.planHash) }
}

it('stores the same bytes of learned recipes with a graphics card as without', async () => {
  const plain = await run(createReferenceKernels())
  const kernels = await accelerateKernels(createReferenceKernels(), {
    choice: 'always',
    open: openWebGpuKernels,
    now: () => performance.now(),
  })
  const there = await run(kernels)
  await kernels.close()
  for (const backend of there.backends) expect(backend).toContain('accumulateGram, sweepColumns, traceThroughGram')
  // A file for each block and recipe.
  expect(there.tensors.size).toBe(3 * recipes.length)
  expect(there.tensors).toEqual(plain.tensors)
}, 240_000)
