import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { nodeFolderFiles } from '../headless/node-source.ts'
import type { ForwardEngine, ModelRunner } from '../runtime/engine.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { createTokenizer } from '../runtime/engines/tokenizer.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'
import { type FloatForward, loadFloatForward } from '../testing/float-forward.ts'
import { likelihoodFigures } from './figures.ts'
import { generate } from './generate.ts'
import { makeWindows, targetsOf } from './windows.ts'

// Results of a float64 NumPy forward pass; `../shared/golden/stories260K.json` says how they were made.
const shared = new URL('../../../shared/', import.meta.url)
const isPresent = existsSync(new URL('golden/stories260K.json', shared))
if (!isPresent) process.stderr.write('skipped: evaluation of stories260K, because ../shared is not here\n')

interface Golden {
  readonly windows_256: { readonly nll: number; readonly tokens: number; readonly perplexity: number }
  readonly prompt: string
  readonly prompt_ids: readonly number[]
  readonly prompt_last_logits_first16: readonly number[]
}

describe.skipIf(!isPresent)('stories260K in float, WASM', { timeout: 60_000 }, () => {
  const text = (path: string): string => readFileSync(new URL(path, shared), 'utf8')
  let golden: Golden
  let engine: ForwardEngine
  let runner: ModelRunner
  let checkpoint: Checkpoint
  let tokenizer: Tokenizer
  const load = (): Promise<FloatForward> => loadFloatForward(checkpoint, runner)

  beforeAll(async () => {
    golden = JSON.parse(text('golden/stories260K.json')) as Golden
    const files = await nodeFolderFiles(new URL('models/stories260K', shared).pathname)
    checkpoint = await openCheckpoint({ name: 'stories260K', originKind: 'files', files })
    tokenizer = createTokenizer(checkpoint.tokenizerFiles)
    engine = await createOnnxEngine({ backend: 'wasm', threads: 2 })
    runner = await engine.openModel(checkpoint.graph)
  })

  afterAll(async () => {
    await runner.close()
    await engine.close()
    await checkpoint.close()
  })

  it('gives the prompt ids and logits of the reference', async () => {
    const ids = [tokenizer.bosTokenId ?? -1, ...tokenizer.encode(golden.prompt)]
    expect(ids).toEqual(golden.prompt_ids)
    const vocab = checkpoint.graph.config.vocab
    const logits = await (await load()).logits([Int32Array.from(ids)])
    const last = logits.slice(-vocab)
    for (const [id, expected] of golden.prompt_last_logits_first16.entries())
      expect(Math.abs((last[id] ?? 0) - expected)).toBeLessThan(1e-4)
  })

  it('scores 20,400 tokens at 1.92371 nats', async () => {
    const ids = tokenizer.encode(text('text/tinystories.evaluation.txt'))
    const set = makeWindows(ids, { protocol: 'windows', contextLength: 256, maxTokens: null, bos: tokenizer.bosTokenId })
    expect(set.scoredTokens).toBe(golden.windows_256.tokens)
    const forward = await load()
    const nll: number[] = []
    for (let at = 0; at < set.windows.length; at += 16) {
      const batch = set.windows.slice(at, at + 16)
      const targets = batch.flatMap((window) => [...targetsOf(set, window)])
      nll.push(...negativeLogLikelihoods(await forward.logits(batch), targets))
    }
    const figures = likelihoodFigures(Float64Array.from(nll))
    expect(Math.abs(figures.nll - golden.windows_256.nll)).toBeLessThan(1e-5)
    expect(Math.abs(figures.perplexity - golden.windows_256.perplexity)).toBeLessThan(1e-4)
  })

  it('continues the prompt greedily, with the cache', async () => {
    const forward = await load()
    const prompt = [tokenizer.bosTokenId ?? -1, ...tokenizer.encode('Once upon a time')]
    const options = { prompt, maxTokens: 40, temperature: 0, seed: 1, stopIds: [] }
    const ids = [...prompt]
    for await (const id of generate((fresh) => forward.next(fresh), options)) ids.push(id)
    expect(tokenizer.decode(ids.slice(1))).toMatch(
      /^Once upon a time, there was a little girl named Lily\. She loved to play outside in the park\./,
    )
    const [logits, again] = [await (await load()).logits([Int32Array.from(ids)]), await (await load()).next(ids)]
    const worst = again.reduce((largest, value, id) => Math.max(largest, Math.abs(value - (logits.at(id - again.length) ?? 0))), 0)
    expect(worst).toBeLessThan(1e-4)
  })
})

function negativeLogLikelihoods(logits: Float32Array, targets: readonly number[]): readonly number[] {
  const vocab = logits.length / targets.length
  return targets.flatMap((target, token) => {
    if (target < 0) return []
    const row = logits.subarray(token * vocab, (token + 1) * vocab)
    const max = row.reduce((largest, value) => Math.max(largest, value), -Infinity)
    return [max + Math.log(row.reduce((sum, value) => sum + Math.exp(value - max), 0)) - (row[target] ?? 0)]
  })
}
