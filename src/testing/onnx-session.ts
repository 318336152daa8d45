import { loadOnnxRuntime } from '../runtime/engines/load-onnxruntime.ts'

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>

/** Logits [tokens, vocabulary] of an exported decoder in ONNX Runtime Web, the whole text at once. */
export async function onnxLogits(files: Files, ids: readonly number[]): Promise<Float32Array> {
  return withDecoder(files, 1, async (step) => (await step([ids.map(counted)]))[0] ?? new Float32Array(0))
}

/** The same token by token, each with the keys and values of those before it. */
export async function continueByOnnx(files: Files, ids: readonly number[]): Promise<Float32Array> {
  return withDecoder(files, 1, async (step) => {
    const rows: number[] = []
    for (const id of ids) rows.push(...((await step([[counted(id)]]))[0] ?? []))
    return Float32Array.from(rows)
  })
}

/**
 * Texts of several lengths in one batch, padded on one side: all but their last two tokens at once, then these with the cache.
 * Logits [tokens, vocabulary] of each text, without those of padding.
 */
export async function batchByOnnx(files: Files, texts: readonly (readonly number[])[], side: 'left' | 'right'): Promise<Float32Array[]> {
  return withDecoder(files, texts.length, async (step) => {
    const longest = Math.max(...texts.map(({ length }) => length))
    const prompts = texts.map((text) => {
      const padding = Array<Token>(longest - text.length).fill({ id: 0, isCounted: false })
      const tokens = text.slice(0, -2).map(counted)
      return side === 'left' ? [...padding, ...tokens] : [...tokens, ...padding]
    })
    const steps = [await step(prompts)]
    for (const back of [2, 1]) steps.push(await step(texts.map((text) => [counted(text.at(-back) ?? 0)])))
    return texts.map((_, row) => Float32Array.from(steps.flatMap((step) => [...(step[row] ?? [])])))
  })
}

interface Token {
  readonly id: number
  /** What the mask says: padding is not counted. */
  readonly isCounted: boolean
}

const counted = (id: number): Token => ({ id, isCounted: true })

/** Logits of the counted ones among the next tokens of every text. All texts get equally many tokens. */
type Step = (rows: readonly (readonly Token[])[]) => Promise<readonly Float32Array[]>

async function withDecoder<T>(files: Files, batch: number, work: (step: Step) => Promise<T>): Promise<T> {
  const ort = await loadOnnxRuntime('wasm')
  const model = [...files].find(([path]) => path.endsWith('.onnx'))?.[1]
  if (model === undefined) throw new RangeError('no model among the files')
  const externalData = [...files]
    .filter(([path]) => path.includes('.onnx_data'))
    .map(([path, data]) => ({ path: path.slice(path.lastIndexOf('/') + 1), data }))
  const session = await ort.InferenceSession.create(model, { externalData, executionProviders: ['wasm'] })
  const int64 = (rows: readonly (readonly number[])[]) =>
    new ort.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [batch, rows[0]?.length ?? 0])
  let past = Object.fromEntries(
    session.inputMetadata.flatMap((input) => {
      if (!input.isTensor || !input.name.startsWith('past_key_values')) return []
      const [, heads, , width] = input.shape.map(Number)
      return [[input.name, new ort.Tensor('float32', new Float32Array(0), [batch, heads ?? 0, 0, width ?? 0])]]
    }),
  )
  const takesPositions = session.inputNames.includes('position_ids')
  const masks = Array.from({ length: batch }, (): number[] => [])
  try {
    return await work(async (rows) => {
      for (const [row, mask] of masks.entries()) mask.push(...(rows[row] ?? []).map(({ isCounted }) => (isCounted ? 1 : 0)))
      const feeds = { input_ids: int64(rows.map((row) => row.map(({ id }) => id))), attention_mask: int64(masks), ...past }
      const positions = masks.map((mask, row) => positionsOf(mask).slice(-(rows[row]?.length ?? 0)))
      const results = await session.run(takesPositions ? { ...feeds, position_ids: int64(positions) } : feeds)
      past = Object.fromEntries(
        Object.entries(results).flatMap(([name, value]) =>
          name === 'logits' ? [] : [[name.replace('present.', 'past_key_values.'), value]],
        ),
      ) as typeof past
      const logits = results['logits']?.data as Float32Array
      const vocab = logits.length / rows.flat().length
      return rows.map((row, index) =>
        Float32Array.from(
          row.flatMap(({ isCounted }, at) => {
            const start = (index * row.length + at) * vocab
            return isCounted ? [...logits.subarray(start, start + vocab)] : []
          }),
        ),
      )
    })
  } finally {
    await session.release()
  }
}

/** As transformers.js counts them: padding has some position or other. */
function positionsOf(mask: readonly number[]): number[] {
  let seen = 0
  return mask.map((value) => (value === 0 ? 1 : seen++))
}
