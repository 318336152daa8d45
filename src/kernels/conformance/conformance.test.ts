import { expect, test } from 'vitest'
import { ggmlTypes } from '../contract/ggml.ts'
import { createReferenceKernels } from '../reference/index.ts'
import { createWasmKernels } from '../wasm/index.ts'
import { judge, supportTable } from './judge.ts'
import { rateCases, rateTable } from './rates.ts'

test('WASM does what the reference does', async () => {
  const wasm = await createWasmKernels()
  const verdicts = await judge(createReferenceKernels(), wasm)
  process.stdout.write(`\n${supportTable(wasm.backend, verdicts)}\n`)
  expect(verdicts.flatMap(({ operation, failures }) => failures.map((failure) => `${operation}: ${failure}`))).toEqual([])
  const operations = Object.entries(wasm).flatMap(([name, value]) => (typeof value === 'function' && name !== 'close' ? [name] : []))
  expect(verdicts.map(({ operation }) => operation).sort()).toEqual(operations.sort())
  await wasm.close()
}, 60_000)

test('the same cases give rates: of every operation with a large case, and of every ggml type', async () => {
  const wasm = await createWasmKernels()
  const rates = await rateCases([wasm], 0)
  const ofType = (type: string) => rates.filter(({ name }) => name.startsWith(`${type}, `)).map(({ operation }) => operation)
  for (const [type, { needsImportance = false }] of Object.entries(ggmlTypes)) {
    const quantizers = needsImportance ? ['quantizeGgml'] : ['quantizeGgml', 'quantizeGgml']
    expect(ofType(type)).toEqual([...quantizers, 'dequantizeGgml'])
  }
  for (const operation of ['quantizeAffine', 'compareWeights', 'describeWeights', 'accumulateGram', 'accumulateLogits']) {
    expect(rates.some((rate) => rate.operation === operation)).toBe(true)
  }
  expect(rates.every(({ rates: [rate = 0] }) => rate > 0)).toBe(true)
  expect(rateTable(['wasm'], rates.slice(0, 1)).split('\n')[0]).toBe('| operation | case | wasm, millions/s |')
  await wasm.close()
}, 60_000)
