import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { GgmlType } from './contract/ggml.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()
const types: readonly GgmlType[] = ['F32', 'F16', 'Q4_0', 'Q4_1', 'Q8_0']

const block = fc
  .array(
    fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ min: -4, max: 4, noNaN: true }),
      fc.constantFrom(0, -0, 0.5, -0.5),
    ),
    {
      minLength: 32,
      maxLength: 32,
    },
  )
  .map((values) => ({ data: Float32Array.from(values), rows: 1, columns: 32 }))

test.each(types)('%s: WASM gives the bytes of the reference for any finite floats', async (type) => {
  await fc.assert(
    fc.asyncProperty(block, async (input) => {
      const expected = await reference.quantizeGgml(input, type)
      expect(await wasm.quantizeGgml(input, type)).toEqual(expected)
      expect(await wasm.dequantizeGgml(expected, input, type)).toEqual(await reference.dequantizeGgml(expected, input, type))
    }),
    { numRuns: 500 },
  )
})

test('any half decodes alike, NaN and infinity too', async () => {
  const blocks = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, half) => half).buffer)
  const shape = { rows: 256, columns: 256 }
  const bits = async (kernels: typeof wasm) => Buffer.from((await kernels.dequantizeGgml(blocks, shape, 'F16')).buffer)
  const [a, b] = [await bits(wasm), await bits(reference)]
  // A signalling NaN may become a quiet one on its way through a JavaScript number.
  const wrong = Array.from({ length: 65536 }, (_, half) => half).filter(
    (half) => !Object.is(a.readFloatLE(half * 4), b.readFloatLE(half * 4)),
  )
  expect(wrong).toEqual([])
})

/** Block of x_j = (j - 16) / 8 and the bytes libggml gives for it. */
test.each([
  ['Q4_0', '0034809191a2a2b3b3c4c4d5d5e6e6f7f7f8'],
  ['Q4_1', '223400c080809191a2a2b3b3c4c4d5d5e6e6f7f7'],
  ['Q8_0', '082481899199a1a9b1b9c0c8d0d8e0e8f0f8000810182028303840474f575f676f77'],
] as const)('%s of a ramp', async (type, expected) => {
  const ramp = { data: Float32Array.from({ length: 32 }, (_, j) => (j - 16) / 8), rows: 1, columns: 32 }
  for (const kernels of [reference, wasm]) {
    expect(Buffer.from(await kernels.quantizeGgml(ramp, type)).toString('hex')).toBe(expected)
  }
})

test('a block of zeros keeps the sign of its scale as libggml does: -0 for Q4_0', async () => {
  const zeros = { data: new Float32Array(32), rows: 1, columns: 32 }
  for (const kernels of [reference, wasm]) expect([...(await kernels.quantizeGgml(zeros, 'Q4_0')).subarray(0, 2)]).toEqual([0, 0x80])
})
