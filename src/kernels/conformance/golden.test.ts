import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { GgmlType } from '../contract/ggml.ts'
import { createReferenceKernels } from '../reference/index.ts'
import { createWasmKernels } from '../wasm/index.ts'

/** Bytes that libggml wrote; `golden/README.md` says how. */
function golden(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`./golden/${name}`, import.meta.url)))
}

const floats = (name: string): Float32Array<ArrayBuffer> => new Float32Array(golden(name).buffer)

const files: Partial<Record<GgmlType, string>> = { Q4_0: 'q4_0', Q4_1: 'q4_1', Q8_0: 'q8_0' }
const shape = { rows: 16, columns: 512 }

describe.each([
  ['reference', createReferenceKernels],
  ['wasm', createWasmKernels],
] as const)('%s against libggml', async (_, create) => {
  const kernels = await create()

  test.each(Object.entries(files) as [GgmlType, string][])('%s blocks are the same bytes', async (type, file) => {
    const blocks = await kernels.quantizeGgml({ ...shape, data: floats('input.f32') }, type)
    expect(Buffer.compare(blocks, golden(`${file}.bin`))).toBe(0)
  })

  test.each(Object.entries(files) as [GgmlType, string][])('%s decodes to the same values', async (type, file) => {
    const values = await kernels.dequantizeGgml(golden(`${file}.bin`), shape, type)
    expect(Buffer.compare(new Uint8Array(values.buffer), golden(`${file}.dequant.f32`))).toBe(0)
  })
})
