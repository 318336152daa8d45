import { expect, it, vi } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import { startThreadDouble } from '../kernels/conformance/thread-double.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { createKernelPool } from '../kernels/pool.ts'
import { createWasmKernels, loadWasmOperations } from '../kernels/wasm/index.ts'
import { storedTensors } from '../testing/stored-tensors.ts'
import { openTiny, runTiny, stopAfterFirstBlock, tinyRequest } from '../testing/tiny-run.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Error feedback on a grid fitted on the way and on one that is fixed, learned rounding, and what follows importance. */
const recipes = ['gptq-4bit-g32', 'gptq-3bit-g64-sym-actorder', 'Q4_0+gptq', 'learned-4bit-g32', 'Q4_0+imatrix']

const request = {
  ...tinyRequest(recipes),
  calibration: {
    text: 'zyxwvutsrqponmlkjihgfedcbaacegikmoqsuwybdfhjlnprtvxz'.repeat(6),
    textName: 'backwards',
    maxTokens: 96,
    contextLength: 12,
    usesChatTemplate: false,
  },
}

/** Wide enough in one linear for several steps of the factor, split among threads. */
const openWide = () => openTiny({ config: { hidden_size: 64, intermediate_size: 704, num_hidden_layers: 2 } })

/** Tensors that a run on these kernels stores; stopped after its first block and resumed when `isStopped`. */
async function tensorsOf(kernels: Kernels, isStopped: boolean): Promise<readonly string[]> {
  const model = await openWide()
  const store = new MemoryFileStore()
  if (isStopped) {
    expect(await stopAfterFirstBlock({ model, request, store, kernels })).toMatchObject({ code: 'aborted' })
  }
  const { planHash, recipes: measured } = await runTiny({ model, request, store, kernels })
  expect(measured.map(({ perplexity }) => Number.isFinite(perplexity))).toEqual(recipes.map(() => true))
  return storedTensors(store, planHash)
}

it('error feedback and learned rounding store the same bytes on any number of threads, and after a stop', async () => {
  const expected = await tensorsOf(await createWasmKernels(), false)
  expect(expected.length).toBeGreaterThanOrEqual(recipes.length)
  const pool = await createKernelPool({ threads: 3, spawn: () => startThreadDouble(loadWasmOperations).port })
  try {
    expect(await tensorsOf(pool, false)).toEqual(expected)
    expect(await tensorsOf(pool, true)).toEqual(expected)
  } finally {
    await pool.close()
  }
})
