import { describe, expect, it } from 'vitest'
import { MemoryFileStore } from '../../io/memory-store.ts'
import type { GgmlType } from '../../kernels/contract/ggml.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { askWllama } from '../../testing/wllama.ts'
import type { ExportSource } from '../target.ts'
import { writeExport } from '../write-export.ts'
import gguf from './gguf.ts'

const kernels = createReferenceKernels()

/**
 * A model that counts: its blocks add nothing, every token has a direction of its own, and the head gives each token the
 * direction of the one before it. So the likeliest token after t is t + 1, whatever the runtime's arithmetic.
 */
function countingValues({ name, shape }: TensorSpec): Float32Array<ArrayBuffer> {
  const count = shape.reduce((product, extent) => product * extent, 1)
  if (name.endsWith('norm.weight')) return new Float32Array(count).fill(1)
  if (name.startsWith('model.layers')) return new Float32Array(count)
  const [, columns = 1] = shape
  const shift = name === 'lm_head.weight' ? columns : 0
  let state = 1
  const directions = Float32Array.from({ length: count }, () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647 - 0.5
  })
  return Float32Array.from({ length: count }, (_, index) => (index < shift ? 0 : (directions[index - shift] ?? 0)))
}

async function exportedBlob(source: ExportSource): Promise<Blob> {
  const store = new MemoryFileStore()
  const opened = async (path: string) => (await store.open(path)) ?? Promise.reject(new Error(path))
  const destination = {
    createSink: (path: string) => store.create(path),
    openWritten: opened,
    removeWritten: (path: string) => store.delete(path),
  }
  const { files } = await writeExport({ target: gguf, source, kernels, ...destination }, () => undefined)
  const written = await opened(files[0]?.path ?? '')
  return new Blob([await written.read(0, written.sizeBytes)])
}

const all = (type: GgmlType) => () => ({ encoding: 'ggml' as const, type })

describe('llama.cpp in the browser', () => {
  it('opens a SentencePiece-like export and reads its tokenizer and weights', { timeout: 120_000 }, async () => {
    const checkpoint = madeCheckpoint({
      rawConfig: tinyLlamaConfig({ tie_word_embeddings: false }),
      tokenizerFiles: sentencePieceFiles(),
      values: countingValues,
    })
    const answer = await askWllama(await exportedBlob(await madeExportSource(checkpoint, kernels, all('Q8_0'))), 'a', 8)
    expect(answer).toMatchObject({ vocabulary: 320, layers: 2, contextLength: 128, addsBos: true })
    expect(answer.metadata).toMatchObject({ 'general.architecture': 'llama', 'general.name': 'made' })
    expect(answer.text).toBe('bcdefghi')
  })

  it('opens a byte-level export of another architecture', { timeout: 120_000 }, async () => {
    const checkpoint = madeCheckpoint({
      rawConfig: tinyLlamaConfig({ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', tie_word_embeddings: false, vocab_size: 288 }),
      tokenizerFiles: byteLevelFiles(),
      dtype: 'BF16',
      values: (spec) => (spec.name.endsWith('.bias') ? new Float32Array(spec.shape[0] ?? 0) : countingValues(spec)),
    })
    const answer = await askWllama(await exportedBlob(await madeExportSource(checkpoint, kernels, all('Q4_1'))), 'A', 8)
    expect(answer).toMatchObject({ vocabulary: 288, addsBos: false })
    expect(answer.metadata).toMatchObject({ 'general.architecture': 'qwen2', 'tokenizer.ggml.pre': 'gpt-2' })
    expect(answer.text).toBe('BCDEFGHI')
  })
})
