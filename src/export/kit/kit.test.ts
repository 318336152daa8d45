import { describe, expect, it } from 'vitest'
import { devices } from '../../devices/device.ts'
import { MemoryFileStore } from '../../io/memory-store.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { exportTargets } from '../registry.ts'
import type { ExportSource } from '../target.ts'
import { type ExportDestination, writeExport } from '../write-export.ts'
import { writeChecksums } from './checksums.ts'
import { firstCommand, withKit } from './kit.ts'
import { guideFor } from './registry.ts'

const kernels = createReferenceKernels()
const contents = {
  report: { made: 'here' },
  measured: { textName: 'stories.txt', tokens: 1000, floatPerplexity: 3.25, perplexity: 3.5, hasLlamaCppInputs: false },
}
const inBlocks = ({ name }: TensorSpec): TensorEncoding =>
  name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q8_0' } : { encoding: 'source' }

function target(id: string) {
  const found = exportTargets.find((each) => each.id === id)
  if (found === undefined) throw new Error(id)
  return found
}

async function sourceFor(device: string | null, rawConfig = tinyLlamaConfig(), encoding = inBlocks): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({ rawConfig, tokenizerFiles: sentencePieceFiles(), name: 'someone/Tiny-Llama' })
  return { ...(await madeExportSource(checkpoint, kernels, encoding, 'Q8_0')), options: { maxFileBytes: null, device } }
}

function storeOf(store: MemoryFileStore): ExportDestination {
  return {
    createSink: (path) => store.create(path),
    openWritten: async (path) => (await store.open(path)) ?? Promise.reject(new Error(path)),
    removeWritten: (path) => store.delete(path),
  }
}

async function textOf(store: MemoryFileStore, path: string): Promise<string> {
  const file = await store.open(path)
  return new TextDecoder().decode(await file?.read(0, file.sizeBytes))
}

async function written(
  device: string | null,
  rawConfig = tinyLlamaConfig(),
  { hasLlamaCppInputs, encoding }: { readonly hasLlamaCppInputs: boolean; readonly encoding?: typeof inBlocks } = contents.measured,
) {
  const store = new MemoryFileStore()
  const place = storeOf(store)
  const source = await sourceFor(device, rawConfig, encoding)
  const told = { ...contents, measured: { ...contents.measured, hasLlamaCppInputs } }
  const { files } = await writeExport({ target: withKit(target('gguf'), told), source, kernels, ...place }, () => undefined)
  return { store, files, sums: await writeChecksums(place, files) }
}

describe('deployment kit', () => {
  it('comes with the files: README for the device, its settings, recipe, report and checksums', async () => {
    const { store, files, sums } = await written('pi-5-8gb')
    expect(files.map(({ path }) => path)).toEqual(['Tiny-Llama-Q8_0.gguf', 'README.md', 'Modelfile', 'recipe.json', 'report.json'])
    const readme = await textOf(store, 'README.md')
    expect(readme).toContain('# Tiny-Llama, Q8_0, as GGUF, for Raspberry Pi 5 / 500 (8 GB)')
    expect(readme).toContain('llama-server -m Tiny-Llama-Q8_0.gguf -c 128 -t 4 --host 0.0.0.0')
    expect(readme).toContain('tokens a second')
    expect(readme).toContain('perplexity is 3.500; that of the float model is 3.250. Layer by layer')
    expect(await textOf(store, 'Modelfile')).toBe(
      'FROM ./Tiny-Llama-Q8_0.gguf\nPARAMETER num_ctx 128\nPARAMETER num_thread 4\nTEMPLATE """{{ .Prompt }}"""\n',
    )
    expect(JSON.parse(await textOf(store, 'report.json'))).toEqual(contents.report)
    const lines = (await textOf(store, sums.path)).trimEnd().split('\n')
    expect(lines).toEqual(files.map(({ sha256, path }) => `${sha256}  ${path}`))
  })

  it('says where the perplexity is that of inputs in 8 bits', async () => {
    const readmeOf = async (hasLlamaCppInputs: boolean, encoding?: (spec: TensorSpec) => TensorEncoding): Promise<string> => {
      const { store } = await written('pi-5-8gb', tinyLlamaConfig(), { hasLlamaCppInputs, ...(encoding && { encoding }) })
      return textOf(store, 'README.md')
    }
    const sentence = 'Inputs of its quantized matrices were rounded there as llama.cpp'
    expect(await readmeOf(true)).toContain(sentence)
    expect(await readmeOf(false)).not.toContain(sentence)
    expect(await readmeOf(true, () => ({ encoding: 'source' }))).not.toContain(sentence)
  })

  it('says that a model does not fit', async () => {
    const { store } = await written('esp32', { ...tinyLlamaConfig(), hidden_size: 256, intermediate_size: 512 })
    expect(await textOf(store, 'README.md')).toContain('**It does not fit**')
  })

  it('has commands for every format, on every device it is for', async () => {
    for (const { id } of exportTargets) expect(guideFor(id), id).not.toBeNull()
    for (const { id: device, targets } of devices) {
      const source = await sourceFor(device)
      for (const id of targets.filter((each) => exportTargets.some((made) => made.id === each))) {
        if (target(id).supports(source) === true) expect(firstCommand(target(id), source), `${id} on ${device}`).toMatch(/\S/)
      }
    }
  })

  it('shows the program of a microcontroller with the names of its headers', async () => {
    const source = await sourceFor('esp32-s3')
    const store = new MemoryFileStore()
    await writeExport({ target: withKit(target('tflite'), contents), source, kernels, ...storeOf(store) }, () => undefined)
    const readme = await textOf(store, 'README.md')
    const settings = await textOf(store, 'model_settings.h')
    for (const name of ['kTensorArenaBytes', 'kSequenceLength', 'kVocabularySize', 'kOperatorCount', 'RegisterModelOperators']) {
      expect(readme, name).toContain(name)
      expect(settings, name).toContain(name)
    }
    expect(readme).toContain('model_data.cc holds the same bytes')
    expect(readme).toContain('The linears compute in floats.')
    const mode = { kind: 'int8-tensor', scale: 0.02, outputScale: 0.1 } as const
    const linears = source.graph.blocks.flatMap((block) => block.linears)
    const integer = { ...source, inputModes: new Map(linears.map(({ weight }) => [weight, mode])) }
    const scene = { facts: integer, targetId: 'tflite', files: [], device: null, contextLength: 128 }
    expect(guideFor('tflite')?.steps(scene)).toContain('take and give 8 bits with a scale for each row')
    expect(await textOf(store, 'model_data.h')).toContain('g_model_data[]')
  })

  it('removes every file when the checksums cannot be written', async () => {
    const store = new MemoryFileStore()
    const place = storeOf(store)
    const { files } = await writeExport(
      { target: withKit(target('gguf'), contents), source: await sourceFor(null), kernels, ...place },
      () => undefined,
    )
    const failing = { ...place, createSink: () => Promise.reject(new Error('no room')) }
    await expect(writeChecksums(failing, files)).rejects.toMatchObject({ code: 'storage-fault' })
    for (const { path } of files) expect(await store.open(path)).toBeNull()
  })
})
