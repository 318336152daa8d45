import { expect, test } from 'vitest'
import { nodeGpu } from '../../testing/node-gpu.ts'
import { accelerateKernels } from '../accelerate.ts'
import { ggmlTypes } from '../contract/ggml.ts'
import { createReferenceKernels } from '../reference/index.ts'
import { operationsOf } from '../route.ts'
import { createWasmKernels } from '../wasm/index.ts'
import { openWebGpuKernels } from '../webgpu/index.ts'
import { judge, judgeCard } from './judge.ts'
import { rateCases, rateTable } from './rates.ts'
import { columnOf, type SupportColumn, supportTable } from './support-table.ts'

const columns: SupportColumn[] = []

test('WASM does what the reference does', async () => {
  const wasm = await createWasmKernels()
  const verdicts = await judge(createReferenceKernels(), wasm)
  expect(verdicts.flatMap(({ operation, failures }) => failures.map((failure) => `${operation}: ${failure}`))).toEqual([])
  expect(verdicts.map(({ operation }) => operation).sort()).toEqual(operationsOf(wasm).sort())
  columns.push(columnOf(wasm.backend, verdicts))
  await wasm.close()
}, 240_000)

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
}, 240_000)

test('WebGPU does what the reference does, for every operation it has', async (context) => {
  const gpu = await nodeGpu()
  if (typeof gpu === 'string') {
    process.stdout.write(`\n${supportTable(columns)}\n\nWebGPU was not judged in Node: ${gpu} The browser's tests judge it.\n`)
    context.skip(gpu)
    return
  }
  const reference = createReferenceKernels()
  const open = () => openWebGpuKernels({ gpu })
  const kernels = await accelerateKernels(reference, { choice: 'always', open, now: () => performance.now() })
  const verdicts = await judgeCard(reference, kernels)
  process.stdout.write(`\n${supportTable([...columns, { backend: 'webgpu', verdicts }])}\n`)
  expect(
    verdicts.flatMap(({ operation, verdict }) =>
      typeof verdict === 'string' ? [] : verdict.failures.map((failure) => `${operation}: ${failure}`),
    ),
  ).toEqual([])
  await kernels.close()
}, 120_000)
