import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type GgmlType, ggmlTypes } from '../contract/ggml.ts'
import { createReferenceKernels } from '../reference/index.ts'
import { createWasmKernels } from '../wasm/index.ts'

/** Bytes that libggml wrote; `golden/README.md` says how. */
function golden(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`./golden/${name}`, import.meta.url)))
}

const floats = (name: string): Float32Array<ArrayBuffer> => new Float32Array(golden(name).buffer)

const files = {
  Q4_0: 'q4_0',
  Q4_1: 'q4_1',
  Q5_0: 'q5_0',
  Q5_1: 'q5_1',
  Q8_0: 'q8_0',
  Q2_K: 'q2_K',
  Q3_K: 'q3_K',
  Q4_K: 'q4_K',
  Q5_K: 'q5_K',
  Q6_K: 'q6_K',
  IQ1_S: 'iq1_s',
  IQ1_M: 'iq1_m',
  IQ2_XXS: 'iq2_xxs',
  IQ2_XS: 'iq2_xs',
  IQ2_S: 'iq2_s',
  IQ3_XXS: 'iq3_xxs',
  IQ3_S: 'iq3_s',
  IQ4_NL: 'iq4_nl',
  IQ4_XS: 'iq4_xs',
  TQ1_0: 'tq1_0',
  TQ2_0: 'tq2_0',
  MXFP4: 'mxfp4',
  NVFP4: 'nvfp4',
} as const satisfies Partial<Record<GgmlType, string>>
const types = Object.entries(files) as [keyof typeof files, string][]
/** Types without a search: libggml writes the same with and without importance. */
const unweighted: readonly string[] = ['Q8_0', 'TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4']
/** libggml refuses the others without importance. */
const plain = types.filter(([type]) => ggmlTypes[type].needsImportance !== true)
const shape = { rows: 16, columns: 512 }

describe.each([
  ['reference', createReferenceKernels],
  ['wasm', createWasmKernels],
] as const)('%s against libggml', async (_, create) => {
  const kernels = await create()
  const input = { ...shape, data: floats('input.f32') }

  test.each(plain)('%s blocks are the same bytes', async (type, file) => {
    expect(Buffer.compare(await kernels.quantizeGgml(input, type), golden(`${file}.bin`))).toBe(0)
  })

  test.each(types)('%s blocks by importance are the same bytes', async (type, file) => {
    const blocks = await kernels.quantizeGgml(input, type, { importance: floats('imatrix.f32') })
    const expected = golden(unweighted.includes(type) ? `${file}.bin` : `${file}.imatrix.bin`)
    expect(Buffer.compare(blocks, expected)).toBe(0)
  })

  /** Rows with columns of importance 0, where scales come out negative or codes pass 2^22: C wraps around there. */
  test.each([
    ['Q4_K', 'rare-q4_K'],
    ['Q4_1', 'rare-q4_1'],
    ['Q5_K', 'rare-q5_K'],
  ] as const)('%s blocks that wrap around are the same bytes', async (type, file) => {
    const row = { rows: 1, columns: 1024, data: floats(`${file}.input.f32`) }
    const blocks = await kernels.quantizeGgml(row, type, { importance: floats(`${file}.imatrix.f32`) })
    expect(Buffer.compare(blocks, golden(`${file}.imatrix.bin`))).toBe(0)
  })

  /** Where no weight of a block counts a fit has nothing to divide by: its scale is 0, and codes stay as first found. */
  test.each(['q2_K', 'q4_K', 'q5_K', 'iq4_nl', 'iq4_xs'] as const)(
    '%s blocks whose columns all have importance 0 are the same bytes',
    async (file) => {
      const row = { rows: 1, columns: 512, data: floats('input.f32').slice(0, 512) }
      const importance = floats('imatrix.f32').map((value, column) => (column < 256 ? 0 : value))
      const type = types.find(([, name]) => name === file)?.[0] ?? 'Q2_K'
      const blocks = await kernels.quantizeGgml(row, type, { importance })
      expect(Buffer.compare(blocks, golden(`unused-${file}.imatrix.bin`))).toBe(0)
    },
  )

  test.each(types)('%s decodes to the same values', async (type, file) => {
    const name = ggmlTypes[type].needsImportance === true ? `${file}.imatrix` : file
    const values = await kernels.dequantizeGgml(golden(`${name}.bin`), shape, type)
    expect(Buffer.compare(new Uint8Array(values.buffer), golden(`${name}.dequant.f32`))).toBe(0)
  })
})
