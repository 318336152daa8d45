import { expect, test } from 'vitest'
import { createReferenceKernels } from '../reference/index.ts'
import { createWasmKernels } from '../wasm/index.ts'
import { judge, supportTable } from './judge.ts'

test('WASM does what the reference does', async () => {
  const wasm = await createWasmKernels()
  const verdicts = await judge(createReferenceKernels(), wasm)
  process.stdout.write(`\n${supportTable(wasm.backend, verdicts)}\n`)
  expect(verdicts.flatMap(({ operation, failures }) => failures.map((failure) => `${operation}: ${failure}`))).toEqual([])
  expect(verdicts).toHaveLength(11)
  await wasm.close()
}, 60_000)
