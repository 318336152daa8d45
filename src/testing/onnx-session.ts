import { loadOnnxRuntime } from '../runtime/engines/load-onnxruntime.ts'

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>

/** Logits [tokens, vocabulary] of an exported decoder in ONNX Runtime Web, the whole text at once. */
export async function onnxLogits(files: Files, ids: readonly number[]): Promise<Float32Array> {
  return withDecoder(files, (step) => step(ids))
}

/** The same token by token, each with the keys and values of those before it. */
export async function continueByOnnx(files: Files, ids: readonly number[]): Promise<Float32Array> {
  return withDecoder(files, async (step) => {
    const rows: number[] = []
    for (const id of ids) rows.push(...(await step([id])))
    return Float32Array.from(rows)
  })
}

async function withDecoder<T>(files: Files, work: (step: (ids: readonly number[]) => Promise<Float32Array>) => Promise<T>): Promise<T> {
  const ort = await loadOnnxRuntime('wasm')
  const model = [...files].find(([path]) => path.endsWith('.onnx'))?.[1]
  if (model === undefined) throw new RangeError('no model among the files')
  const externalData = [...files]
    .filter(([path]) => path.includes('.onnx_data'))
    .map(([path, data]) => ({ path: path.slice(path.lastIndexOf('/') + 1), data }))
  const session = await ort.InferenceSession.create(model, { externalData, executionProviders: ['wasm'] })
  const int64 = (values: readonly number[]) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
  let past = Object.fromEntries(
    session.inputMetadata.flatMap((input) => {
      if (!input.isTensor || !input.name.startsWith('past_key_values')) return []
      const [, heads, , width] = input.shape.map(Number)
      return [[input.name, new ort.Tensor('float32', new Float32Array(0), [1, heads ?? 0, 0, width ?? 0])]]
    }),
  )
  const takesPositions = session.inputNames.includes('position_ids')
  let seen = 0
  try {
    return await work(async (ids) => {
      const positions = ids.map((_, index) => seen + index)
      seen += ids.length
      const feeds = { input_ids: int64(ids), attention_mask: int64(Array<number>(seen).fill(1)), ...past }
      const results = await session.run(takesPositions ? { ...feeds, position_ids: int64(positions) } : feeds)
      past = Object.fromEntries(
        Object.entries(results).flatMap(([name, value]) =>
          name === 'logits' ? [] : [[name.replace('present.', 'past_key_values.'), value]],
        ),
      ) as typeof past
      return results['logits']?.data as Float32Array
    })
  } finally {
    await session.release()
  }
}
