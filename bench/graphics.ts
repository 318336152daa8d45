import { Worker } from 'node:worker_threads'
import { accelerateKernels } from '../src/kernels/accelerate.ts'
import { judgeCard } from '../src/kernels/conformance/judge.ts'
import { supportTable } from '../src/kernels/conformance/support-table.ts'
import type { AcceleratedOperations } from '../src/kernels/contract/accelerator.ts'
import type { Kernels } from '../src/kernels/contract/kernels.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { nodeWorkerPort } from '../src/kernels/port.ts'
import { createReferenceKernels } from '../src/kernels/reference/index.ts'
import { acceleratedTolerances } from '../src/kernels/self-check.ts'
import { firstDifference } from '../src/kernels/tolerance.ts'
import { createWasmKernels } from '../src/kernels/wasm/index.ts'
import { openWebGpuKernels } from '../src/kernels/webgpu/index.ts'
import { nodeGpu } from '../src/testing/node-gpu.ts'
import { type GraphicsCase, graphicsCases } from './graphics-cases.ts'
import { inTurn, median } from './rounds.ts'

const now = (): number => performance.now()

export interface GraphicsReport {
  readonly text: string
  readonly isEqual: boolean
}

/**
 * The graphics card of this machine: judged by the conformance cases, then as the router sees it, then timed beside WASM on one
 * thread and on `threads`, the way to the card and back included; adapters in software are not timed. `WEBGPU_MODULE` brings WebGPU to Node (docs/support.md).
 */
export async function benchGraphics(threadFile: URL, { threads = 1, rounds = 5 } = {}): Promise<GraphicsReport> {
  const gpu = await nodeGpu()
  if (typeof gpu === 'string') return { text: `No graphics card: ${gpu}`, isEqual: true }
  const open = () => openWebGpuKernels({ gpu })
  const card = await open()
  if (typeof card === 'string') return { text: `No graphics card: ${card}`, isEqual: true }
  const reference = createReferenceKernels()
  const judged = await accelerateKernels(reference, { choice: 'always', open, now })
  const verdicts = await judgeCard(reference, judged)
  process.stderr.write(`${card.name} judged\n`)
  await judged.close()
  const failures = verdicts.flatMap(({ operation, verdict }) =>
    typeof verdict === 'string' ? [] : verdict.failures.map((failure) => `${operation}: ${failure}`),
  )
  const spawn = () => nodeWorkerPort(new Worker(threadFile))
  const routed = await accelerateKernels(await createKernelPool({ threads, spawn }), { choice: 'automatic', open, now })
  const choices = (routed.placement?.support ?? []).map(
    ({ operation, support }) => `  ${operation}: ${support === true ? 'there' : support}`,
  )
  await routed.close()
  const wasm = await createWasmKernels()
  const pool = await createKernelPool({ threads, spawn })
  const lines: string[] = []
  const cases = card.isSoftware ? [] : await graphicsCases(wasm)
  for (const item of cases) {
    const line = await timeCase(item, { card: card.operations, wasm, pool, rounds })
    process.stderr.write(`${line}\n`)
    lines.push(line)
  }
  await pool.close()
  card.close()
  const text = [
    card.name,
    supportTable([{ backend: card.name, verdicts }]),
    ...failures,
    `What the router makes of it beside ${threads} threads:`,
    ...choices,
    '',
    `| case | ${card.name}, ms | WASM x1, ms | WASM x${threads}, ms | x1 / card | x${threads} / card | equal |`,
    '|---|---:|---:|---:|---:|---:|---|',
    ...lines,
  ].join('\n')
  return { text, isEqual: failures.length === 0 && lines.every((line) => line.endsWith('yes |')) }
}

interface Backends {
  readonly card: AcceleratedOperations
  readonly wasm: Kernels
  readonly pool: Kernels
  readonly rounds: number
}

/** A row of the table: medians by the clock, the three in turn. */
async function timeCase({ name, method, run }: GraphicsCase, { card, wasm, pool, rounds }: Backends): Promise<string> {
  const difference = firstDifference(await run(wasm), await run(card), acceleratedTolerances[method])
  const timings = await inTurn([() => run(card), () => run(wasm), () => run(pool)], { rounds, warmUp: 0.001 })
  const [there = NaN, one = NaN, many = NaN] = timings.map(({ clock }) => 1000 * median(clock))
  const cells = [there.toFixed(1), one.toFixed(1), many.toFixed(1), (one / there).toFixed(1), (many / there).toFixed(2)]
  return `| ${method}, ${name} | ${cells.join(' | ')} | ${difference ?? 'yes'} |`
}
