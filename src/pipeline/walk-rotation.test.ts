import { describe, expect, it, vi } from 'vitest'
import type { FloatDType } from '../core/dtype.ts'
import { exportTargets } from '../export/registry.ts'
import { writeExport } from '../export/write-export.ts'
import { readGguf } from '../formats/gguf/read.ts'
import { readSafetensorsHeader } from '../formats/safetensors/header.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { faultOf } from '../testing/fault-of.ts'
import { openTiny, runTiny, runTinyRequest, stopAfterFirstBlock, tinyRequest, tinyText, wasmEngine } from '../testing/tiny-run.ts'
import { planRun } from './execute-run.ts'
import { generateAll } from './generate-run.ts'
import type { RunRequest } from './plan.ts'
import { exportSource, requireResult } from './run-result.ts'

vi.setConfig({ testTimeout: 60_000 })

const machine = (store: MemoryFileStore) => ({ store, threads: 1, memoryLimitBytes: 1e9, rates: [] })
/** Rotated and not quantized: what is left is the rotation's own rounding. */
const floatRotated = (transform: object, id = 'rotated'): string =>
  JSON.stringify({
    id,
    transform: { kind: 'hadamard', ...transform },
    grid: { kind: 'affine', bits: 8, group: 16 },
    overrides: [{ match: '*', grid: 'float' }],
  })

const families = [
  { name: 'llama, tied', config: {} },
  { name: 'llama with biases, untied', config: { tie_word_embeddings: false, attention_bias: true, mlp_bias: true } },
  { name: 'llama, 48 wide', config: { hidden_size: 48 } },
  { name: 'mistral', config: { architectures: ['MistralForCausalLM'], model_type: 'mistral', tie_word_embeddings: false } },
  { name: 'qwen2, tied', config: { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' } },
]

describe.each(families)('a rotated $name model', ({ config }) => {
  it('predicts what the float model predicts', async () => {
    const model = await openTiny({ config })
    const recipes = [floatRotated({}), floatRotated({ seed: 5 }, 'other-seed'), floatRotated({ scope: 'heads' }, 'heads')]
    const report = await runTiny({ model, request: tinyRequest(recipes), store: new MemoryFileStore() })
    expect(report.recipes).toHaveLength(3)
    for (const recipe of report.recipes) {
      expect(recipe.sameTopToken).toBe(1)
      expect(recipe.klDivergence.mean).toBeLessThan(1e-10)
      expect(recipe.perplexity / report.evaluation.float.perplexity).toBeCloseTo(1, 5)
    }
  })

  it('rounds all of itself with errors in the space of the checkpoint', async () => {
    const model = await openTiny({ config })
    const everything = (id: string, transform: object) =>
      JSON.stringify({ id, transform, grid: { kind: 'affine', bits: 8, group: 16 }, embedding: 'grid', head: 'grid' })
    const recipes = [everything('plain', { kind: 'none' }), everything('rotated', { kind: 'hadamard' })]
    const report = await runTiny({ model, request: tinyRequest(recipes), store: new MemoryFileStore() })
    const [plain, rotated] = report.recipes
    expect(rotated?.klDivergence.mean).toBeLessThan(1e-3)
    expect(rotated?.layers.map(({ role }) => role)).toContain('head')
    for (const layer of rotated?.layers ?? []) {
      const other = plain?.layers.find(({ name }) => name === layer.name)
      // A tied model has one matrix for both; the head of its own is the rotated recipe's alone.
      if (other === undefined) expect(layer.role).toBe('head')
      expect(layer.outputError).toBeGreaterThan(0)
      expect(layer.outputError).toBeLessThan(0.03)
    }
  })
})

async function finished(recipes: readonly string[], dtype: FloatDType = 'F32') {
  const model = await openTiny({ dtype })
  const store = new MemoryFileStore()
  const report = await runTiny({ model, request: tinyRequest(recipes), store })
  return { model, store, report, result: await requireResult(store, report.planHash) }
}

describe('a rotated recipe', () => {
  it('says before the run that the head parts from the embedding, and what is stored', async () => {
    const tied = await openTiny()
    const { plan } = await planRun(tied, tinyRequest(['Q8_0+hadamard', 'Q8_0+hadamard-heads']), machine(new MemoryFileStore()))
    expect(plan.issues.filter(({ title }) => title === 'The head becomes a matrix of its own').map(({ recipeId }) => recipeId)).toEqual([
      'Q8_0+hadamard',
    ])
    // 32 tokens of 32 halves more in the file.
    const [whole, heads] = plan.recipes
    expect((whole?.bytes ?? 0) - (heads?.bytes ?? 0)).toBeGreaterThanOrEqual(32 * 32 * 2)
    const storage = async (id: string) => (await planRun(tied, tinyRequest([id]), machine(new MemoryFileStore()))).plan.storageBytes
    // Embedding, head, six norms of blocks and the final one, in f32.
    expect((await storage('Q8_0+hadamard')) - (await storage('Q8_0'))).toBe(4 * (2 * 32 * 32 + 7 * 32))
    expect(plan.memoryParts.map(({ what }) => what)).toContain('a transformed block and its search')
  })

  it('is refused where there is no text to run the model on', async () => {
    const request = { ...tinyRequest(['Q8_0+hadamard']), evaluation: null }
    const model = await openTiny()
    const fault = await faultOf(() => runTinyRequest({ model, request, store: new MemoryFileStore() }))
    expect(fault.message).toContain('Hadamard rotation: this changes whole blocks')
  })

  it('takes the calibration text where nothing is measured, and stores what a measured run stores', async () => {
    const model = await openTiny()
    const calibration = { text: tinyText, textName: 'letters', contextLength: 16, maxTokens: 64, usesChatTemplate: false }
    const storedBy = async (request: RunRequest) => {
      const store = new MemoryFileStore()
      const { planHash } = await runTinyRequest({ model, request, store })
      const { tensors } = await requireResult(store, planHash)
      return (tensors['Q8_0+hadamard'] ?? []).map(({ name, tiles }) => [name, tiles.map(({ checksum }) => checksum)])
    }
    const request = { ...tinyRequest(['Q8_0+hadamard']), calibration }
    const unmeasured = await storedBy({ ...request, evaluation: null })
    expect(unmeasured.length).toBeGreaterThan(0)
    expect(unmeasured).toEqual(await storedBy(request))
  })

  it('is refused on a model whose width has no rotation', async () => {
    const model = await openTiny({ config: { hidden_size: 2 * 1031, head_dim: 8, num_hidden_layers: 1 } })
    const { plan } = await planRun(model, tinyRequest(['Q8_0+hadamard']), machine(new MemoryFileStore()))
    expect(plan.issues[0]).toMatchObject({ severity: 'error', title: 'Hadamard rotation is not possible on this model' })
  })

  it('gives the same bytes after a stop', async () => {
    const recipes = ['Q8_0+hadamard', 'hadamard-4bit-g16']
    const whole = await finished(recipes)
    const store = new MemoryFileStore()
    expect(await stopAfterFirstBlock({ model: whole.model, request: tinyRequest(recipes), store })).toMatchObject({ code: 'aborted' })
    const report = await runTiny({ model: whole.model, request: tinyRequest(recipes), store })
    expect((await requireResult(store, report.planHash)).tensors).toEqual(whole.result.tensors)
  })

  it('continues a prompt as the float model does', async () => {
    const { model, store, report, result } = await finished([floatRotated({})])
    const engine = await wasmEngine()
    const runner = await engine.openModel(model.checkpoint.graph)
    const tools = { ...model, store, kernels: createReferenceKernels(), runner, residentBytes: 1e9, now: () => 0 }
    const request = { prompt: 'abc', maxTokens: 12, temperature: 0, seed: 1, recipeIds: ['rotated'], planHash: report.planHash }
    const [float, rotated] = await generateAll(tools, { request, result }, () => undefined, new AbortController().signal)
    expect(rotated?.tokenIds).toEqual(float?.tokenIds)
    await runner.close()
    await engine.close()
  })

  it.each([
    { id: 'Q8_0+hadamard', targetId: 'gguf', names: ['output.weight', 'output_norm.weight', 'blk.2.attn_norm.weight'] },
    { id: 'hadamard-4bit-g16', targetId: 'gptq', names: ['lm_head.weight', 'model.norm.weight', 'model.embed_tokens.weight'] },
  ])('is exported as $targetId: norms of ones and a head of its own', async ({ id, targetId, names }) => {
    // Readers of the GPTQ layout compute in halves, so a checkpoint in halves does not grow.
    const { model, store, result } = await finished([id], targetId === 'gptq' ? 'BF16' : 'F32')
    const source = exportSource(store, model.checkpoint, result, id)
    const target = exportTargets.find((one) => one.id === targetId)
    if (target === undefined) throw new RangeError(targetId)
    expect(target.supports(source)).toBe(true)
    const files = new MemoryFileStore()
    const openWritten = async (path: string) => {
      const file = await files.open(path)
      if (file === null) throw new RangeError(path)
      return file
    }
    const place = { createSink: (path: string) => files.create(path), openWritten, removeWritten: (path: string) => files.delete(path) }
    const written = await writeExport({ target, source, kernels: createReferenceKernels(), ...place }, () => undefined)
    const weights = written.files.find(({ path }) => path.endsWith('.gguf') || path === 'model.safetensors')
    const file = await openWritten(weights?.path ?? '')
    const found =
      targetId === 'gguf' ? (await readGguf(file)).tensors.map(({ name }) => name) : [...(await readSafetensorsHeader(file)).tensors.keys()]
    for (const name of names) expect(found).toContain(name)
    expect([...(await source.readFloat('model.norm.weight', { rowStart: 0, rowEnd: 1 }))]).toEqual(Array(32).fill(1))
    const rows = { rowStart: 3, rowEnd: 5 }
    expect(await source.readFloat('model.embed_tokens.weight', rows)).not.toEqual(
      await model.checkpoint.readFloat('model.embed_tokens.weight', rows),
    )
    if (targetId !== 'gptq') return
    const { tensors } = await readSafetensorsHeader(file)
    expect(names.map((name) => tensors.get(name)?.dtype)).toEqual(['F16', 'F32', 'F16'])
    const config = await openWritten('config.json')
    expect(JSON.parse(new TextDecoder().decode(await config.read(0, config.sizeBytes)))).toMatchObject({ tie_word_embeddings: false })
  })
})
