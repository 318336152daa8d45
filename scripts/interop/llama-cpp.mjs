/**
 * Loads GGUF exports in llama.cpp and compares with the model they came from.
 *
 *   NODE_LLAMA_CPP=FOLDER node scripts/interop/llama-cpp.mjs MODEL_FOLDER FILE.gguf… [--text FILE] [--context N] [--max-tokens N]
 *
 * FOLDER is where `npm install node-llama-cpp` was run (it carries prebuilt llama.cpp libraries; kept outside this
 * repository because they are large). For each file:
 *   tokens      llama.cpp's token ids of a set of awkward texts and of --text equal those of MODEL_FOLDER/tokenizer.json
 *   greedy      64 tokens after "Once upon a time"
 *   perplexity  of --text under llama.cpp's protocol: BOS for the first token of each window, second half scored
 * Prints one JSON line a file; exit code 1 when token ids differ. `reference.py` prints the same from the weights.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Tokenizer } from '@huggingface/tokenizers'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    text: { type: 'string' },
    context: { type: 'string', default: '256' },
    'max-tokens': { type: 'string', default: 'Infinity' },
    threads: { type: 'string', default: '1' },
    prompt: { type: 'string', default: 'Once upon a time' },
  },
})
const [modelFolder, ...files] = positionals
const threads = Number(options.threads)
const folder = process.env.NODE_LLAMA_CPP
if (modelFolder === undefined || files.length === 0 || folder === undefined) {
  console.error('usage: NODE_LLAMA_CPP=FOLDER node scripts/interop/llama-cpp.mjs MODEL_FOLDER FILE.gguf… [--text FILE] [--context N]')
  process.exit(2)
}
const entry = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')
const { getLlama } = await import(pathToFileURL(entry).href)

const json = (name) => JSON.parse(readFileSync(join(modelFolder, name), 'utf8'))
const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'))
const idsOf = (text) => Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids, Number)

const awkward = [
  'Once upon a time, there was a little girl.',
  ' two  spaces,\ttab\n\nand lines \n  indented',
  "\"Hi,\" said Tom's friend; they're 12345 years old & I'll go!",
  'naïve café, Ünïcödé, 漢字かな, Привет, 🙂👩‍🚀, \u200bzero width',
  'def f(x):\n    return {"a": [1, 2.5e-3], \'b\': None}  # comment\n',
  'A',
  '   ',
  '\n',
]
const text = options.text === undefined ? null : readFileSync(options.text, 'utf8')

/** All logits, untouched by samplers. */
const asTheyAre = { logits: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } }

const llama = await getLlama({ build: 'never', gpu: false, logLevel: 'error' })
let differ = 0
for (const file of files) {
  const model = await llama.loadModel({ modelPath: file })
  const result = { file: basename(file), llamaCpp: llama.llamaCppRelease.release, bos: model.tokens.shouldPrependBosToken }
  const wrong = [...awkward, ...(text === null ? [] : [text])].filter(
    (each) => JSON.stringify(model.tokenize(each, false)) !== JSON.stringify(idsOf(each)),
  )
  result.tokens = wrong.length === 0 ? 'equal' : { differ: wrong.map((each) => each.slice(0, 40)) }
  differ += wrong.length
  result.greedy = await greedy(model)
  if (text !== null) Object.assign(result, await perplexity(model))
  console.log(JSON.stringify(result))
  await model.dispose()
}
process.exit(differ === 0 ? 0 : 1)

async function greedy(model) {
  const context = await model.createContext({ contextSize: 256, threads })
  const start = model.tokenize(options.prompt, false)
  const ids = []
  const first = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : []
  for await (const token of context.getSequence().evaluate([...first, ...start], { temperature: 0 })) {
    ids.push(token)
    if (ids.length === 64) break
  }
  const written = model.detokenize(ids)
  await context.dispose()
  return { ids, text: written }
}

/** llama.cpp's `perplexity`: windows without overlap, the first token replaced by BOS, positions n/2 … n-2 scored. */
async function perplexity(model) {
  const length = Number(options.context)
  const addsBos = model.tokens.shouldPrependBosToken
  const stream = [...(addsBos ? [model.tokens.bos] : []), ...model.tokenize(text, false)].slice(0, Number(options['max-tokens']))
  const windows = Math.floor(stream.length / length)
  const context = await model.createContext({ contextSize: length, batchSize: length, threads })
  const sequence = context.getSequence()
  let sum = 0
  let count = 0
  for (let window = 0; window < windows; window++) {
    const tokens = stream.slice(window * length, (window + 1) * length)
    if (addsBos) tokens[0] = model.tokens.bos
    await sequence.clearHistory()
    const input = tokens.map((token, at) => (at < Math.floor(length / 2) || at > length - 2 ? token : [token, { generateNext: asTheyAre }]))
    const outputs = await sequence.controlledEvaluate(input)
    for (const [at, output] of outputs.entries()) {
      const logits = output?.next.logits
      if (logits === undefined) continue
      const largest = Math.max(...logits.values())
      let total = 0
      for (const logit of logits.values()) total += Math.exp(logit - largest)
      sum += largest + Math.log(total) - logits.get(tokens[at + 1])
      count++
    }
  }
  await context.dispose()
  return { protocol: 'llama.cpp', contextLength: length, scored: count, nll: sum / count, perplexity: Math.exp(sum / count) }
}
