import { describe, expect, it } from 'vitest'
import { doneJob as job } from '../testing/export-job.ts'
import type { ExportJob } from './exports-store.ts'
import { agreement, drivableJobs, spread } from './test-drive-store.ts'

const runtime = { id: 'r', title: 'R', targets: ['onnx'], devices: ['wasm'] } as const

describe('test drives', () => {
  it('are offered for finished exports in storage that a runtime opens', () => {
    const others: ExportJob[] = [
      { ...job, status: 'working' },
      { ...job, destination: 'picked' },
      { ...job, targetId: 'gptq' },
    ]
    expect(drivableJobs([job, ...others], [runtime])).toEqual([job])
    expect(drivableJobs([job], [])).toEqual([])
  })

  it('tell the middle, the least and the most of their speeds', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 })
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 })
  })

  it('compare tokens as far as both go', () => {
    expect(agreement([1, 2, 3], [1, 2, 3, 4])).toEqual({ equal: 3, of: 3 })
    expect(agreement([1, 5, 3], [1, 2, 3])).toEqual({ equal: 1, of: 3 })
    expect(agreement([], [1])).toEqual({ equal: 0, of: 0 })
  })
})
