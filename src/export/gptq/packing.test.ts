import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { roundToHalf } from '../../core/float16.ts'
import type { AffineTensor } from '../../kernels/contract/affine.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { LineMemory } from '../../kernels/transpose/line-memory.ts'
import { readBack } from '../../testing/packed-form.ts'
import { affineValues } from '../safetensors/affine-values.ts'
import { gptqForm } from './form.ts'
import { groupIndex, packingUnit, weightWords, zeroRows, zeroWords } from './packing.ts'

const kernels = createReferenceKernels()

/** Codes as the kernels store them: a bit stream a row. */
function affineOf(codes: readonly (readonly number[])[], bits: number, zeroPoints: readonly number[]): AffineTensor {
  const columns = codes[0]?.length ?? 0
  const rowBytes = Math.ceil((columns * bits) / 8)
  const bytes = new Uint8Array(codes.length * rowBytes)
  for (const [row, values] of codes.entries()) {
    const stream = values.map((code) => code.toString(2).padStart(bits, '0').split('').reverse().join('')).join('')
    for (let at = 0; at < rowBytes; at++) {
      const octet = stream
        .slice(8 * at, 8 * at + 8)
        .split('')
        .reverse()
        .join('')
      bytes[row * rowBytes + at] = Number.parseInt(octet, 2)
    }
  }
  return {
    rows: codes.length,
    columns,
    bits,
    isSymmetric: false,
    group: 'row',
    codes: bytes,
    scales: new Float32Array(codes.length).fill(1),
    zeroPoints: Uint8Array.from(zeroPoints),
  }
}

/** All lines of `qweight`, and the one line of `qzeros`. */
function packWeights({ rows, columns, bits, codes }: AffineTensor): Uint8Array<ArrayBuffer> {
  const memory = new LineMemory()
  const bytes = memory.take(4 * weightWords(columns, bits) * rows)
  memory.wordsToLines({ bytes: codes, rowBytes: codes.length / rows }, 0, { bytes, lineBytes: 4 * rows, at: 0 })
  return bytes.slice()
}
function packZeros(tensor: AffineTensor, less: 0 | 1): Uint8Array<ArrayBuffer> {
  const { rows, bits } = tensor
  const memory = new LineMemory()
  const bytes = memory.take(4 * zeroWords(rows, bits))
  memory.bytesToFieldLines(zeroRows(tensor), 0, { bytes, lineBytes: bytes.length, at: 0 }, { bits, less })
  return bytes.slice()
}

const words = (bytes: Uint8Array<ArrayBuffer>) => [...new Uint32Array(bytes.buffer)].map((word) => word.toString(16).padStart(8, '0'))
const runOf = (count: number, code: (index: number) => number) => Array.from({ length: count }, (_, index) => code(index))

describe('GPTQ packing', () => {
  it.each([
    [4, runOf(32, (i) => i % 8), ['76543210', '76543210', '76543210', '76543210']],
    [2, runOf(32, (i) => i % 4), ['e4e4e4e4', 'e4e4e4e4']],
    [8, [1, 2, 3, 255, ...runOf(28, () => 0)], ['ff030201', ...runOf(7, () => 0).map(() => '00000000')]],
    [3, runOf(32, (i) => i % 8), ['88fac688', 'c688fac6', 'fac688fa']],
  ])('packs codes of %i bits into the published words', (bits, codes, wanted) => {
    expect(words(packWeights(affineOf([codes], bits, [0])))).toEqual(wanted)
  })

  it.each([
    [2, ['55555555', '55555555'], ['aaaaaaaa', 'aaaaaaaa']],
    [3, ['db6db6db', 'b6db6db6', '6db6db6d'], ['24924924', '49249249', '92492492']],
    [4, ['77777777', '77777777', '77777777', '77777777'], runOf(4, () => 0).map(() => '88888888')],
    [8, runOf(8, () => 0).map(() => '7f7f7f7f'), runOf(8, () => 0).map(() => '80808080')],
  ])('writes symmetric zero points of %i bits minus one, and as they are in v2', (bits, wanted, wantedV2) => {
    const rows = runOf(32, () => 0)
    const tensor = affineOf(
      rows.map(() => runOf(32, () => 0)),
      bits,
      rows.map(() => 2 ** (bits - 1)),
    )
    expect(words(packZeros(tensor, 1))).toEqual(wanted)
    expect(words(packZeros(tensor, 0))).toEqual(wantedV2)
  })

  it('wraps a zero point of 0 inside its field, leaving its neighbours alone', () => {
    const zeros = [0, 5, 15, 8, 1, 2, 3, 4]
    const tensor = affineOf(
      runOf(32, () => 0).map(() => runOf(32, () => 0)),
      4,
      [...zeros, ...zeros, ...zeros, ...zeros],
    )
    expect(words(packZeros(tensor, 1))).toEqual(['32107e4f', '32107e4f', '32107e4f', '32107e4f'])
  })

  it('numbers the groups of inputs, the last one short', () => {
    expect([...new Int32Array(groupIndex(40, 16).buffer)]).toEqual([...runOf(16, () => 0), ...runOf(16, () => 1), ...runOf(8, () => 2)])
    expect(new Set(new Int32Array(groupIndex(40, 'row').buffer))).toEqual(new Set([0]))
  })

  it('gives back the dequantized weights exactly, at any bits, group and size', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(2, 3, 4, 8),
        fc.constantFrom<AffineTensor['group']>(16, 32, 48, 256, 'row', 'tensor'),
        fc.boolean(),
        fc.record({
          outRuns: fc.integer({ min: 1, max: 2 }),
          inRuns: fc.integer({ min: 1, max: 3 }),
          seed: fc.integer({ min: 1, max: 1e6 }),
        }),
        async (bits, group, isSymmetric, { outRuns, inRuns, seed }) => {
          const [rows, columns] = [outRuns * packingUnit, inRuns * packingUnit]
          let state = seed
          const data = Float32Array.from({ length: rows * columns }, () => {
            state = (state * 48_271) % 2_147_483_647
            // A third of the groups has no negative value: their zero point is 0, the case that wraps.
            return roundToHalf(state / 2_147_483_647 - (state % 3 === 0 ? 0 : 0.2))
          })
          const affine = await kernels.quantizeAffine({ rows, columns, data }, { bits, group, isSymmetric })
          const stored = { name: 'w', rows, columns, encoding: 'affine', affine } as const
          const wanted = await kernels.dequantizeAffine(affine)
          const part = { rowStart: 3, rowEnd: 17 }
          for (const format of ['gptq', 'gptq_v2'] as const) {
            const form = gptqForm({ name: 'p.weight', shape: [rows, columns] }, { encoding: 'affine', bits, group, isSymmetric }, format)
            if (form === null) throw new Error('not packable')
            const decode = await readBack(form, stored)
            expect(await decode({ rowStart: 0, rowEnd: rows })).toEqual(wanted)
            expect(await decode(part)).toEqual(wanted.slice(3 * columns, 17 * columns))
          }
          expect(affineValues(affine)).toEqual(wanted)
        },
      ),
      { numRuns: 40 },
    )
  })
})
