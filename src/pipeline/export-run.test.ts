import { expect, it } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { ExportResult } from '../rpc/contract.ts'
import { openTiny, runTinyRequest, tinyRequest } from '../testing/tiny-run.ts'
import { exportRun } from './export-run.ts'

it('written anew with other options keeps no file of before, and those of others', async () => {
  const model = await openTiny()
  const [runs, exports] = [new MemoryFileStore(), new MemoryFileStore()]
  const request = { ...tinyRequest(['Q4_0', 'Q8_0']), evaluation: null }
  const { planHash } = await runTinyRequest({ model, request, store: runs, engines: [] })
  const tools = { checkpoint: model.checkpoint, runs, exports, kernels: createReferenceKernels(), now: () => 0 }
  const write = (recipeId: string, maxFileBytes: number | null): Promise<ExportResult> =>
    exportRun(
      tools,
      { planHash, recipeId, targetId: 'gguf', options: { maxFileBytes, device: null }, destination: null },
      () => undefined,
      new AbortController().signal,
    )
  const other = await write('Q8_0', null)
  const parts = await write('Q4_0', 10_000)
  const whole = await write('Q4_0', null)
  expect(parts.storedPaths.some((path) => !whole.storedPaths.includes(path))).toBe(true)
  const kept = (await exports.list('')).map(({ path }) => path)
  expect(kept).toEqual([...other.storedPaths, ...whole.storedPaths].sort())
})
