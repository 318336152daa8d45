import { describe, expect, it, vi } from 'vitest'
import { toBase64 } from '../core/base64.ts'
import type { MeasuredInputs } from '../formats/imatrix/imatrix.ts'
import { readImatrix } from '../formats/imatrix/read.ts'
import { writeImatrix } from '../formats/imatrix/write.ts'
import { memorySource } from '../io/memory-source.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { faultOf } from '../testing/fault-of.ts'
import { openTiny, runTiny, tinyRequest, tinyText } from '../testing/tiny-run.ts'
import { type OpenModel, planRun } from './execute-run.ts'
import { runFolder } from './journal.ts'
import { imatrixFile } from './measured-importance.ts'
import type { ImportanceSettings, PlanIssue, RunRequest } from './plan.ts'
import { requireResult } from './run-result.ts'

vi.setConfig({ testTimeout: 60_000 })

const calibration = { text: tinyText, textName: 'letters', maxTokens: 48, contextLength: 16, usesChatTemplate: false }

const settings = (bytes: Uint8Array, fileName = 'mine.gguf'): ImportanceSettings => ({ fileName, base64: toBase64(bytes) })

async function run(model: OpenModel, change: Partial<RunRequest>) {
  const store = new MemoryFileStore()
  const report = await runTiny({ model, request: { ...tinyRequest(['Q4_0+imatrix']), ...change }, store })
  const tensors: string[] = []
  for (const { path } of await store.list(`${runFolder(report.planHash)}/tensors`)) {
    const source = await store.open(path)
    tensors.push(Buffer.from((await source?.read(0, source.sizeBytes)) ?? []).toString('base64'))
  }
  return { report, tensors, result: await requireResult(store, report.planHash) }
}

describe('importance that was measured', () => {
  it('is saved with the names of llama.cpp, and weighs errors as if it had been measured again', async () => {
    const model = await openTiny()
    const { tensors, result, report } = await run(model, { calibration })
    const plain = await run(model, { recipes: tinyRequest(['Q4_0']).recipes })
    expect(report.importance).toEqual({ fileName: 'measured while quantizing', dataset: 'letters', chunks: 3, entries: 21 })
    const file = await imatrixFile(model.checkpoint, result, 'gguf')
    const read = await readImatrix(memorySource('mine.gguf', file))
    expect(read).toMatchObject({ datasets: ['letters'], chunks: 3 })
    expect([...read.means.keys()].slice(0, 4)).toEqual([
      'blk.0.attn_k.weight',
      'blk.0.attn_output.weight',
      'blk.0.attn_q.weight',
      'blk.0.attn_v.weight',
    ])
    expect(read.means.get('blk.2.ffn_down.weight')).toHaveLength(64)

    // Another text, or none: the file alone decides.
    const again = await run(model, { importance: settings(file) })
    expect(again.tensors).toEqual(tensors)
    expect(again.tensors).not.toEqual(plain.tensors)
    expect(again.report.calibration).toBeNull()
    expect(again.report.importance).toEqual({ fileName: 'mine.gguf', dataset: 'letters', chunks: 3, entries: 21 })
    const other = { ...calibration, text: 'zyx'.repeat(100) }
    expect((await run(model, { calibration: other, importance: settings(file) })).tensors).toEqual(tensors)
    const older = await imatrixFile(model.checkpoint, result, 'dat')
    expect((await run(model, { importance: settings(older, 'mine.dat') })).report.importance?.fileName).toBe('mine.dat')
  })

  it('is not there without a text', async () => {
    const model = await openTiny()
    const { result } = await run(model, { recipes: tinyRequest(['Q4_0']).recipes })
    expect((await faultOf(() => imatrixFile(model.checkpoint, result, 'gguf'))).title).toBe('No importance was measured')
  })
})

describe('an importance matrix that does not fit', () => {
  const fileOf = (entries: readonly MeasuredInputs[]) => writeImatrix({ dataset: '', chunks: 1, chunkSize: 8, entries }, 'gguf')
  const entry = (name: string, columns: number): MeasuredInputs => ({ name, sums: new Float32Array(columns).fill(2), tokens: 8 })

  async function issues(importance: ImportanceSettings): Promise<readonly PlanIssue[]> {
    const model = await openTiny()
    const machine = { store: new MemoryFileStore(), threads: 1, memoryLimitBytes: 1e9, rates: [] }
    const { plan } = await planRun(model, { ...tinyRequest(['Q4_0+imatrix']), importance }, machine)
    return plan.issues.filter(({ severity }) => severity !== 'note')
  }

  it('is refused with the reason', async () => {
    const [damaged] = await issues({ fileName: 'x.dat', base64: 'no base64!' })
    expect(damaged).toMatchObject({ severity: 'error', title: 'This is not an importance matrix that can be read' })
    const [foreign] = await issues(settings(await fileOf([entry('blk.9.attn_q.weight', 32)])))
    expect(foreign?.text).toBe('mine.gguf: It knows no matrix of this model.')
    const [wide] = await issues(settings(await fileOf([entry('blk.0.attn_q.weight', 48)])))
    expect(wide?.text).toBe('mine.gguf: model.layers.0.self_attn.q_proj.weight has 32 input columns; the file has 48.')
  })

  it('is used as far as it goes, with a warning', async () => {
    const [first, ...more] = await issues(settings(await fileOf([entry('blk.0.attn_q.weight', 32)])))
    expect(more).toEqual([])
    expect(first?.severity).toBe('warning')
    expect(first?.text).toBe('mine.gguf says nothing of model.layers.0.self_attn.k_proj.weight and 19 more: rounded to nearest there.')
  })
})
