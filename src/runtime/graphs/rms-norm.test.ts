import { expect, it } from 'vitest'
import { createRandom } from '../../core/random.ts'
import { GraphBuilder } from '../../formats/onnx/builder.ts'
import { encodeModel } from '../../formats/onnx/model.ts'
import { loadOnnxRuntime } from '../engines/load-onnxruntime.ts'
import { rmsNorm } from './rms-norm.ts'

const { fround } = Math
const epsilon = fround(1e-5)

/** Rows of `width` normed by a graph of nothing else, in ONNX Runtime. */
async function normed(values: Float32Array<ArrayBuffer>, gain: Float32Array<ArrayBuffer>, isPrecise: boolean): Promise<Float32Array> {
  const width = gain.length
  const builder = new GraphBuilder()
  const input = builder.input('x', 'float', ['tokens', width])
  builder.output(rmsNorm(builder, input, builder.input('gain', 'float', [width]), { epsilon, isPrecise }), 'y', ['tokens', width])
  const ort = await loadOnnxRuntime('wasm')
  const session = await ort.InferenceSession.create(encodeModel(builder.build('norm')), { executionProviders: ['wasm'] })
  try {
    const rows = new ort.Tensor('float32', values, [values.length / width, width])
    const { y } = await session.run({ x: rows, gain: new ort.Tensor('float32', gain, [width]) })
    return y?.data as Float32Array
  } finally {
    await session.release()
  }
}

/** The sum of squares in f64, the rest in f32, as llama.cpp has it. */
function expected(values: Float32Array, gain: Float32Array): Float32Array {
  const width = gain.length
  const scales = Array.from({ length: values.length / width }, (_, token) => {
    const sum = values.subarray(token * width, (token + 1) * width).reduce((total, x) => total + x * x, 0)
    return fround(1 / fround(Math.sqrt(fround(fround(sum / width) + epsilon))))
  })
  return values.map((x, i) => fround(fround(x * (scales[Math.floor(i / width)] ?? NaN)) * (gain[i % width] ?? NaN)))
}

it('sums squares in f64 where it is asked to, and its results are those of llama.cpp to the last digit', async () => {
  const random = createRandom(3)
  const width = 576
  const gain = Float32Array.from({ length: width }, () => random.nextNormal())
  const values = Float32Array.from({ length: 40 * width }, () => random.nextNormal())
  const exact = expected(values, gain)
  expect(await normed(values, gain, true)).toEqual(exact)
  const usual = await normed(values, gain, false)
  const apart = usual.reduce((most, value, i) => Math.max(most, Math.abs(value / (exact[i] ?? NaN) - 1)), 0)
  expect(apart).toBeLessThan(2e-6)
  expect(usual).not.toEqual(exact)
})
