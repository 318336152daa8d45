import { describe, expect, it, vi } from 'vitest'
import type { AffineParams } from '../../kernels/contract/affine.ts'
import type { RealAffineParams } from '../../kernels/contract/real-affine.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { QuantizedTensor, TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { madeCheckpoint, madeExportSource, tilesOf } from '../../testing/export-source.ts'
import { onnxLogits } from '../../testing/onnx-session.ts'
import { referenceLogits } from '../../testing/reference-model.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import type { ExportSource } from '../target.ts'
import onnx from '../targets/onnx.ts'
import { bnb4Group, nbitsGroup } from './code-groups.ts'
import { type CodeMatrix, codeMatrix, packCodes } from './code-matrix.ts'
import { nbitsOf } from './nbits.ts'
import type { ReadBack, WeightGroup } from './weight-groups.ts'

// The first session compiles ONNX Runtime.
vi.setConfig({ testTimeout: 60_000 })

const kernels = createReferenceKernels()
const rows = 24
/** Rows that end within a block, and rows of whole blocks, which are packed and compared many codes at a time. */
const widths = [100, 256] as const
const dataOf = (columns: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 13)) * 0.01)

const stored: Readonly<Record<string, (columns: number) => Promise<QuantizedTensor>>> = {
  'NF4 in blocks of 64': (columns) => codeBook('nf4', 64, columns),
  'FP4 in blocks of 1024, which the operator has not': (columns) => codeBook('fp4', 1024, columns),
  'int8 rows': async (columns) => ({
    name: 'w',
    rows,
    columns,
    encoding: 'int8-rows',
    int8Rows: await kernels.quantizeInt8Rows({ rows, columns, data: dataOf(columns) }),
  }),
  'two values around 0': (columns) => realAffine({ levels: 2, isSymmetric: true, group: 32 }, columns),
  'three values around 0': (columns) => realAffine({ levels: 3, isSymmetric: true, group: 32 }, columns),
  'two values with a zero point': (columns) => realAffine({ levels: 2, isSymmetric: false, group: 32 }, columns),
  'sixteen values with fractional zero points': (columns) => realAffine({ levels: 16, isSymmetric: false, group: 64 }, columns),
  ...Object.fromEntries(
    [2, 3, 4, 5, 7, 8].flatMap((bits) =>
      [true, false].map((isSymmetric) => [
        `${bits} bits ${isSymmetric ? 'around 0' : 'with zero points'}`,
        (columns: number) => affine({ bits, isSymmetric, group: 32 }, columns),
      ]),
    ),
  ),
}

async function codeBook(book: 'nf4' | 'fp4', blockSize: number, columns: number): Promise<QuantizedTensor> {
  const codeBookTensor = await kernels.quantizeCodeBook({ rows, columns, data: dataOf(columns) }, { book, blockSize })
  return { name: 'w', rows, columns, encoding: 'codebook', codeBook: codeBookTensor, nested: null }
}

async function realAffine(params: RealAffineParams, columns: number): Promise<QuantizedTensor> {
  const fit = { ...params, fit: params.levels <= 3 ? 'mean' : 'half-quadratic' } as const
  const tensor = await kernels.quantizeRealAffine({ rows, columns, data: dataOf(columns) }, fit)
  return { name: 'w', rows, columns, encoding: 'real-affine', realAffine: tensor }
}

async function affine(params: AffineParams, columns: number): Promise<QuantizedTensor> {
  return {
    name: 'w',
    rows,
    columns,
    encoding: 'affine',
    affine: await kernels.quantizeAffine({ rows, columns, data: dataOf(columns) }, params),
  }
}

/** A source that holds one matrix, `w`. */
async function sourceOf(tensor: QuantizedTensor): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig(), tokenizerFiles: sentencePieceFiles() })
  const made = await madeExportSource(checkpoint, kernels, () => ({ encoding: 'source' }))
  const encoding = storage.get(tensor.encoding).encodingOf(tensor)
  return { ...made, encodings: new Map<string, TensorEncoding>([['w', encoding]]), readTiles: () => tilesOf(tensor) }
}

function groupOf(tensor: QuantizedTensor): WeightGroup {
  const { columns } = tensor
  const encoding = storage.get(tensor.encoding).encodingOf(tensor)
  if (encoding.encoding === 'codebook' && encoding.book !== 'log2')
    return bnb4Group({ name: 'w', rows, columns, form: 'bnb4', book: encoding.book, block: Math.min(256, encoding.blockSize) }, 'float')
  const setting = nbitsOf(encoding, columns, false)
  if ('refusal' in setting) throw new RangeError(setting.refusal)
  return nbitsGroup({ name: 'w', rows, columns, form: 'nbits', setting }, 'float', 'blocks')
}

describe('a group of weights', () => {
  it.each(Object.entries(stored).flatMap(([name, make]) => widths.map((columns) => [name, columns, make] as const)))(
    'of %s, rows of %i, has its sizes, is proved, and catches one wrong byte',
    async (_case, columns, make) => {
      const tensor = await make(columns)
      const source = await sourceOf(tensor)
      const group = groupOf(tensor)
      const parts = new Map<string, Uint8Array<ArrayBuffer>>()
      for await (const { tensor: part, bytes } of group.write(source)) {
        const before = parts.get(part.name) ?? new Uint8Array()
        parts.set(part.name, new Uint8Array([...before, ...bytes]))
      }
      for (const { name, sizeBytes } of group.tensors) expect(parts.get(name)?.length, name).toBe(sizeBytes)
      const readFrom =
        (files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): ReadBack =>
        ({ name }, start, end) =>
          Promise.resolve(files.get(name)?.slice(start, end) ?? new Uint8Array())
      await group.prove({ source, read: readFrom(parts), kernels })
      for (const { name, sizeBytes } of group.tensors) {
        const broken = new Map([...parts].map(([key, bytes]) => [key, bytes.slice()]))
        const bytes = broken.get(name)
        if (bytes !== undefined) bytes[Math.floor(sizeBytes / 3)] = 255 - (bytes[Math.floor(sizeBytes / 3)] ?? 0)
        await expect(group.prove({ source, read: readFrom(broken), kernels }), name).rejects.toMatchObject({ code: 'proof-failed' })
      }
    },
  )

  it('fills the last block of a row with its zero point', () => {
    const matrix: CodeMatrix = {
      rows: 1,
      columns: 3,
      readCodes: (_row, into) => into.set([1, 2, 3]),
      scaleAt: () => 1,
      zeroAt: () => 5,
      packed: null,
    }
    expect([...packCodes(matrix, { bits: 4, block: 16, zero: 'codes' })]).toEqual([0x21, 0x53, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55])
    expect([...packCodes(matrix, { bits: 4, block: 16, zero: 'default' })].slice(0, 3)).toEqual([0x21, 0x83, 0x88])
  })

  it('throws for an encoding that has no codes around a zero point', async () => {
    const tensor = await codeBook('nf4', 64, 100)
    expect(() => codeMatrix(tensor, { bits: 4, block: 64, zero: 'default' })).toThrow(/no codes around a zero point/)
  })
})

describe('a model in code books', () => {
  it.each(['nf4', 'fp4'] as const)('computes what the stored weights compute: %s', async (book) => {
    const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig({ intermediate_size: 100 }), tokenizerFiles: sentencePieceFiles() })
    const source = await madeExportSource(checkpoint, kernels, ({ name }) =>
      name.startsWith('model.layers') ? { encoding: 'codebook', book, blockSize: 64, isNested: false } : { encoding: 'source' },
    )
    const files = new Map<string, Uint8Array<ArrayBuffer>>()
    for (const file of onnx.layout(source)) {
      const parts: Uint8Array<ArrayBuffer>[] = []
      for await (const part of file.write(source)) parts.push(part.slice())
      files.set(file.path, new Uint8Array(await new Blob(parts).arrayBuffer()))
    }
    expect([...files.keys()][0]).toBe('onnx/model_bnb4.onnx')
    const found = await onnxLogits(files, [1, 17, 300])
    const expected = await referenceLogits(source, kernels, [1, 17, 300])
    expect(expected.every((logit, index) => Math.abs(logit - (found[index] ?? Number.NaN)) < 2e-5)).toBe(true)
  })
})
