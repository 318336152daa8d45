import { describe, expect, it } from 'vitest'
import { memorySource } from '../io/memory-source.ts'
import type { InputRounding } from '../kernels/contract/activations.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { RawConfig } from '../models/family.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import type { TensorEncoding } from '../quantization/quantized-tensor.ts'
import { encodings as storage } from '../quantization/registry.ts'
import { matricesOf } from '../quantization/resolve.ts'
import { bytesOfFile } from '../testing/export-files.ts'
import { madeCheckpoint, madeExportSource, wholeOf } from '../testing/export-source.ts'
import { tinyLlamaConfig } from '../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../testing/tokenizer-files.ts'
import { exportTargets } from './registry.ts'
import type { ExportSource } from './target.ts'

const kernels = createReferenceKernels()
/** Rows of a stored tile: no multiple of what any format packs together, nor of a head. */
const tileRows = 12

interface Case {
  readonly encoding: TensorEncoding
  /** Of linears alone: the format keeps embedding and head in float. */
  readonly isInBlocks: boolean
  readonly mode?: InputRounding
  /** Sizes in which its matrices can be cut. */
  readonly config?: RawConfig
}

const affine = (bits: number, isSymmetric: boolean, group: number | 'row' = 32): TensorEncoding => ({
  encoding: 'affine',
  bits,
  isSymmetric,
  group,
})
const linears = (encoding: TensorEncoding, mode?: InputRounding): Case => ({
  encoding,
  isInBlocks: true,
  ...(mode === undefined ? {} : { mode }),
})
const all = (encoding: TensorEncoding): Case => ({ encoding, isInBlocks: false })
const nf4 = (isNested: boolean): TensorEncoding => ({ encoding: 'codebook', book: 'nf4', blockSize: 64, isNested })

/** By target: the grids whose bytes it makes in ways of their own. */
const cases: Readonly<Record<string, readonly Case[]>> = {
  gguf: [all({ encoding: 'ggml', type: 'Q8_0' })],
  gptq: [linears(affine(3, false)), linears(affine(8, true))],
  'gptq-v2': [linears(affine(4, false))],
  awq: [linears(affine(4, false))],
  bitsandbytes: [
    linears(nf4(false)),
    { ...linears(nf4(true)), config: { hidden_size: 256, intermediate_size: 256 } },
    linears({ encoding: 'int8-rows' }),
  ],
  'compressed-tensors': [linears(affine(4, false)), linears(affine(8, true, 'row'), { kind: 'int8-tensor', scale: 0.5 })],
  onnx: [linears(affine(3, false)), linears(nf4(false)), linears({ encoding: 'int8-rows' }), all({ encoding: 'ggml', type: 'Q8_0' })],
  'onnx-qdq': [linears(affine(8, true, 'row'), { kind: 'int8-tensor', scale: 0.5 })],
  tflite: [all(affine(8, true, 'row')), all({ encoding: 'ggml', type: 'Q8_0' })],
  llama2c: [all(affine(8, true, 'row')), all(affine(7, false))],
}

const named = Object.entries(cases).flatMap(([id, list]) => list.map((each, index) => [`${id} ${index}`, id, each] as const))

async function sourceOf({ encoding, isInBlocks, mode, config }: Case): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({
    rawConfig: tinyLlamaConfig({ num_hidden_layers: 1, ...config }),
    tokenizerFiles: sentencePieceFiles(),
  })
  const made = await madeExportSource(checkpoint, kernels, ({ name }) =>
    isInBlocks && !name.startsWith('model.layers') ? { encoding: 'source' } : encoding,
  )
  const names = checkpoint.graph.blocks.flatMap((block) => block.linears.map(({ weight }) => weight))
  return { ...made, inputModes: new Map(mode === undefined ? [] : names.map((name) => [name, mode])) }
}

/** The source as a walk stores a model in small tiles, in memory that is overwritten for the next; `held` notes the rows that were asked for. */
function inSmallTiles(source: ExportSource, held: Set<number>): ExportSource {
  return {
    ...source,
    async *readTiles(name) {
      const whole = await wholeOf(source, name)
      const member = storage.get(whole.encoding)
      const encoding = member.encodingOf(whole)
      const unit = member.cutStep(whole, encoding)
      const step = Math.ceil(tileRows / unit) * unit
      for (let rowStart = 0; rowStart < whole.rows; rowStart += step) {
        const rowEnd = Math.min(whole.rows, rowStart + step)
        const bytes = joinBytes(member.parts(member.rows(whole, rowStart, rowEnd)))
        held.add(rowEnd - rowStart)
        yield { rowStart, tile: member.fromBytes(bytes, { name, rows: rowEnd - rowStart, columns: whole.columns }, encoding) }
        bytes.fill(0xa5)
      }
    },
  }
}

it('has a case for every format', () => {
  expect(Object.keys(cases).sort()).toEqual(exportTargets.map(({ id }) => id).sort())
})

describe.each(named)('%s', (_case, id, each) => {
  it('makes the same files of tiles that lie in one memory as of a whole matrix, and proves them from there', {
    timeout: 30_000,
  }, async () => {
    const target = exportTargets.find((one) => one.id === id)
    if (target === undefined) throw new Error(`no target ${id}`)
    const source = await sourceOf(each)
    expect(target.supports(source)).toBe(true)
    const held = new Set<number>()
    const small = inSmallTiles(source, held)
    const whole = {
      ...source,
      async *readTiles(name: string) {
        yield { rowStart: 0, tile: await wholeOf(source, name) }
      },
    } satisfies ExportSource
    for (const file of target.layout(source)) {
      const bytes = await bytesOfFile(file, small)
      expect(Buffer.compare(bytes, await bytesOfFile(file, whole)), file.path).toBe(0)
      await file.verify?.(small, memorySource(file.path, bytes), { kernels })
    }
    const fewest = Math.min(...matricesOf(source.graph).flatMap(({ name, rows }) => (source.encodings.has(name) ? [rows] : [])))
    expect(Math.max(...held)).toBeLessThan(fewest)
  })
})
