import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { createWasmKernels } from '../kernels/wasm/index.ts'
import { BitsandbytesCases } from '../testing/bitsandbytes-cases.ts'
import { faultOf } from '../testing/fault-of.ts'
import { dynamicMap, nestScales, restoreScales } from './nested-scales.ts'

/** Made by bitsandbytes; `golden/README.md` says how. */
const golden = new BitsandbytesCases(fileURLToPath(new URL('./golden/bitsandbytes', import.meta.url)))

describe.each([
  ['reference', createReferenceKernels],
  ['wasm', createWasmKernels],
] as const)('%s against bitsandbytes', async (_, create) => {
  const kernels = await create()

  it('makes the same codes, scales, nested scales and values in every case', async () => {
    const differences: string[] = []
    for (const one of golden.cases.books) differences.push(...(await golden.compareBook(kernels, one)))
    expect(differences).toEqual([])
    expect(golden.cases.books).toHaveLength(40)
  })

  it('makes the same int8 rows', async () => {
    const differences: string[] = []
    for (const one of golden.cases.int8) differences.push(...(await golden.compareInt8(kernels, one)))
    expect(differences).toEqual([])
    expect(golden.cases.int8).toHaveLength(2)
  })
})

describe('nested scales', () => {
  it('has the values of the dynamic map that papers state', () => {
    expect(dynamicMap).toHaveLength(256)
    expect([dynamicMap[127], dynamicMap[255]]).toEqual([0, 1])
    expect(dynamicMap[0]).toBeCloseTo(-0.9929687, 7)
    expect(dynamicMap[128]).toBeCloseTo(5.5e-7, 10)
    expect([...dynamicMap]).toEqual([...dynamicMap].sort((a, b) => a - b))
  })

  it('nests four scales', () => {
    const nested = nestScales(Float32Array.of(0.5, 0.75, 1, 2))
    expect(nested.offset).toBe(1.0625)
    expect([...nested.absmax]).toEqual([0.9375])
    expect([...restoreScales(nested)].map((scale) => Number(scale.toFixed(3)))).toEqual([0.501, 0.751, 0.999, 2])
  })

  it('restores equal scales exactly, through codes that mean nothing', () => {
    const nested = nestScales(new Float32Array(300).fill(0.25))
    expect([...nested.absmax]).toEqual([0, 0])
    expect(new Set(restoreScales(nested))).toEqual(new Set([0.25]))
  })

  it('refuses scales whose mean overflows', async () => {
    const fault = await faultOf(async () => nestScales(new Float32Array(16).fill(3e38)))
    expect(fault.code).toBe('weights-not-finite')
    expect(fault.remedy).toContain('without double quantization')
  })
})
