import { describe, expect, it } from 'vitest'
import { roundToHalf } from '../../core/float16.ts'
import { createRandom } from '../../core/random.ts'
import { roundHalfEven } from '../../core/rounding.ts'
import { GraphBuilder } from '../../formats/onnx/builder.ts'
import { encodeModel } from '../../formats/onnx/model.ts'
import { type ActivationMode, bitsandbytesShare } from '../../kernels/contract/activations.ts'
import { loadOnnxRuntime } from '../engines/load-onnxruntime.ts'
import { LinearRounding } from './activations.ts'

const { fround } = Math

/** Rows of `width` rounded by a graph of nothing else, in ONNX Runtime. */
async function rounded(values: Float32Array<ArrayBuffer>, width: number, mode: ActivationMode): Promise<Float32Array> {
  const builder = new GraphBuilder()
  const input = builder.input('x', 'float', ['tokens', width])
  builder.output(new LinearRounding(builder, { q: mode }).input(input, 'q', width), 'y', ['tokens', width])
  const ort = await loadOnnxRuntime('wasm')
  const session = await ort.InferenceSession.create(encodeModel(builder.build('rounding')), { executionProviders: ['wasm'] })
  try {
    const { y } = await session.run({ x: new ort.Tensor('float32', values, [values.length / width, width]) })
    return y?.data as Float32Array
  } finally {
    await session.release()
  }
}

/** Block by block in f32, as ggml's kernels with SIMD do for Q8_0 (scale in halves) and Q8_K. */
function byBlocks(values: Float32Array, columns: number, scale: 'float' | 'half'): Float32Array {
  return values.map((x, i) => {
    const first = i - (i % columns)
    const largest = values.subarray(first, first + columns).reduce((most, y) => Math.max(most, Math.abs(y)), 0)
    if (largest === 0) return 0
    const code = roundHalfEven(fround(x * fround(127 / largest)))
    const step = fround(largest / 127)
    return fround(code * (scale === 'half' ? roundToHalf(step) : step))
  })
}

/** Normal values whose size changes from block to block by many powers of ten. */
function mixed(count: number, columns: number): Float32Array<ArrayBuffer> {
  const random = createRandom(5)
  return Float32Array.from({ length: count }, (_, i) => random.nextNormal() * 10 ** ((Math.floor(i / columns) % 10) - 6))
}

describe('inputs rounded in blocks', () => {
  it.each([
    [32, 'half', 576],
    [32, 'half', 32],
    [256, 'float', 512],
  ] as const)('of %i columns with a scale in %s, rows of %i', async (columns, scale, width) => {
    const values = mixed(width * 20, columns)
    // A block of zeros, one whose scale is no half at all, and one of ties at odd and even codes.
    values.fill(0, 0, columns)
    values.fill(1e-9, columns, 2 * columns)
    values.set([127, 0.5, 1.5, -2.5, -126.5].concat(Array<number>(columns - 5).fill(0)), 2 * columns)
    const made = await rounded(values, width, { kind: 'int8-blocks', columns, scale })
    const expected = byBlocks(values, columns, scale)
    expect(made.map((value) => value + 0)).toEqual(expected.map((value) => value + 0))
    expect([...made.subarray(2 * columns, 2 * columns + 5)]).toEqual([127, 0, 2, -2, -126])
    if (scale === 'half') expect(made[columns]).toBe(0)
  })

  it('does not mix rows that blocks do not divide', async () => {
    await expect(rounded(new Float32Array(96), 48, { kind: 'int8-blocks', columns: 32, scale: 'half' })).rejects.toThrow(
      'Blocks of 32 do not divide rows of 48',
    )
  })
})

describe('inputs rounded to halves', () => {
  it('are those that f16 has, the nearest, half to even', async () => {
    const powers = Array.from({ length: 40 }, (_, i) => 2 ** (i - 26)).flatMap((power) =>
      [1, 1 - 2 ** -24, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 - 2 ** -12, 1 + 2 ** -23].map((factor) => fround(power * factor)),
    )
    const values = Float32Array.from([0, ...powers, ...powers.map((x) => -x), ...mixed(320, 32)].slice(0, 800))
    const made = await rounded(values, values.length, { kind: 'half' })
    expect(made.map((value) => value + 0)).toEqual(values.map((value) => roundToHalf(value) + 0))
  })
})

describe('inputs rounded as bitsandbytes does', () => {
  /** One token in f32, in the order of its kernels for processors. */
  function byToken(values: readonly number[], threshold: number): number[] {
    const halves = values.map(roundToHalf)
    const largest = halves.reduce((most, x) => (Math.abs(x) < threshold ? Math.max(most, Math.abs(x)) : most), 0)
    const factor = fround(fround(1 / largest) * 127)
    const step = fround(largest * fround(bitsandbytesShare))
    return halves.map((x, i) => (Math.abs(x) >= threshold ? (values[i] ?? NaN) : fround(roundHalfEven(fround(x * factor)) * step)))
  }
  const rounds = async (values: readonly number[], threshold = 6) => [
    ...(await rounded(Float32Array.from(values), values.length, { kind: 'int8-rows', outlierThreshold: threshold })),
  ]

  it.each([
    // 2.994140625 / 2 is half way between codes 63 and 64: 127 / 2.994140625 in one division has it round down.
    ['to a code that a quotient of halves decides', [2.994140625, -1.4966679811477661, 0.25]],
    // 5.9985 is 6 in halves.
    ['beside what is an outlier in halves, and stays what it was', [5.9985, -1.25, 3.0004]],
    ['by the largest half below the outliers', [100.01, 3.0004, -2.0006, 0.3]],
  ])('%s', async (_, values) => {
    const float = values.map(fround)
    expect(await rounds(float)).toEqual(byToken(float, 6))
  })

  it('are other values than LLM.int8() of floats would have', async () => {
    const [largest = 0, tie = 0] = await rounds([2.994140625, -1.4966679811477661, 0.25])
    expect(tie / largest).toBeCloseTo(-64 / 127, 6)
    expect(largest / 2.994140625).toBeCloseTo(127 ** 2 * 6.200124e-5, 7)
    expect((await rounds([5.9985, -1.25]))[0]).toBe(fround(5.9985))
  })
})
