import { expect, test } from 'vitest'
import { nodeGpu } from '../../testing/node-gpu.ts'
import { accelerateKernels } from '../accelerate.ts'
import { createReferenceKernels } from '../reference/index.ts'
import { operationsOf } from '../route.ts'
import { createWasmKernels } from '../wasm/index.ts'
import { openWebGpuKernels } from '../webgpu/index.ts'
import { judge, judgeCard } from './judge.ts'
import { columnOf, type SupportColumn, supportTable } from './support-table.ts'

const columns: SupportColumn[] = []

test('WASM does what the reference does', async () => {
  const wasm = await createWasmKernels()
  const verdicts = await judge(createReferenceKernels(), wasm)
  expect(verdicts.flatMap(({ operation, failures }) => failures.map((failure) => `${operation}: ${failure}`))).toEqual([])
  expect(verdicts.map(({ operation }) => operation).sort()).toEqual(operationsOf(wasm).sort())
  columns.push(columnOf(wasm.backend, verdicts))
  await wasm.close()
}, 60_000)

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
