// The ONNX folder in transformers.js (Node, onnxruntime-node): logits of the prompt, and its own `generate`.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers'
import { main } from './common.mjs'

await main(async (folder, expected) => {
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = path.dirname(path.resolve(folder))
  const model = await AutoModelForCausalLM.from_pretrained(path.basename(folder))
  const { vocab_size: width } = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8'))
  const int64 = (values) => new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
  const inputsOf = (ids) => ({ input_ids: int64(ids), attention_mask: int64(ids.map(() => 1)) })
  const forward = async (ids) => {
    const { logits } = await model(inputsOf(ids))
    return { data: Float32Array.from(logits.data), width }
  }
  const made = await model.generate({ ...inputsOf(expected.prompt), max_new_tokens: expected.greedy.length, do_sample: false })
  const own = made.tolist()[0].map(Number).slice(expected.prompt.length)
  if (own.some((id, index) => id !== expected.greedy[index])) throw new Error(`its own loop makes ${own.join(', ')}`)
  return { forward, versions: { 'transformers.js': env.version, 'onnxruntime-node': env.backends.onnx.versions.node ?? '' } }
})
