// The ONNX folder in transformers.js (Node, onnxruntime-node): logits of the prompt, and its own `generate`, for the prompt alone and
// in a batch with its first half, which its pipeline pads on the left.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers'
import { main } from './common.mjs'

await main(async (folder, expected) => {
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = path.dirname(path.resolve(folder))
  const exact = 'CLIPS_SUMS' in process.env ? { session_options: { extra: { session: { disable_quant_qdq: '1' } } } } : {}
  const model = await AutoModelForCausalLM.from_pretrained(path.basename(folder), exact)
  const { vocab_size: width } = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8'))
  const int64 = (rows) => new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length])
  const inputsOf = (texts) => {
    const longest = Math.max(...texts.map(({ length }) => length))
    const padded = (text, mark) => [...Array(longest - text.length).fill(0), ...text.map(mark)]
    return {
      input_ids: int64(texts.map((text) => padded(text, (id) => id))),
      attention_mask: int64(texts.map((text) => padded(text, () => 1))),
    }
  }
  const forward = async (ids) => {
    const { logits } = await model(inputsOf([ids]))
    return { data: Float32Array.from(logits.data), width }
  }
  const { prompt, greedy } = expected
  const generate = async (texts) => {
    const made = await model.generate({ ...inputsOf(texts), max_new_tokens: greedy.length, do_sample: false })
    return made.tolist().map((row) => row.slice(-greedy.length).map(Number).join(', '))
  }
  const half = prompt.slice(0, Math.ceil(prompt.length / 2))
  const [own] = await generate([prompt])
  if (own !== greedy.join(', ')) throw new Error(`its own loop makes ${own}`)
  const alone = [own, ...(await generate([half]))]
  const together = await generate([prompt, half])
  if (together.some((text, row) => text !== alone[row]))
    throw new Error(`a batch makes ${together.join(' and ')} of ${alone.join(' and ')}`)
  return { forward, versions: { 'transformers.js': env.version, 'onnxruntime-node': env.backends.onnx.versions.node ?? '' } }
})
