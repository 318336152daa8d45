import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { codeBooks } from '../../kernels/contract/codebook.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { inPieces, rowPieces } from '../float-pieces.ts'
import { proveEqual } from '../proof.ts'
import type { ExportSource } from '../target.ts'
import { blockScales, blockZeros, codeMatrix, packCodes, packZeros } from './code-matrix.ts'
import { bytesOf, floatsOf } from './float-group.ts'
import { blocksPerRow, type NBits, zeroRowBytes } from './nbits.ts'
import { type FloatType, moduleOf, type PlannedMatrix } from './plan.ts'
import { proveSlices } from './stored-slices.ts'
import { unpackBnb4, unpackNBits } from './unpacking.ts'
import { type WeightGroup, type WeightTensor, weightTensor } from './weight-groups.ts'

type NBitsMatrix = Extract<PlannedMatrix, { readonly form: 'nbits' }>
type Bnb4Matrix = Extract<PlannedMatrix, { readonly form: 'bnb4' }>

/** Names of the tensors that a quantized matrix becomes. */
export function partNames(weight: string) {
  const module = moduleOf(weight)
  return { codes: `${module}.qweight`, scales: `${module}.scales`, zeros: `${module}.zero_points`, absmax: `${module}.absmax` }
}

/** `MatMulNBits` wants codes as [rows, blocks, bytes]; `GatherBlockQuantized` as rows. */
export type CodeShape = 'blocks' | 'rows'

/** Codes, scales and zero points of `MatMulNBits`. */
export function nbitsGroup({ name, rows, columns, setting }: NBitsMatrix, floats: FloatType, shape: CodeShape): WeightGroup {
  const { bits, block, zero } = setting
  const blocks = blocksPerRow(setting, columns)
  const blob = (block * bits) / 8
  const names = partNames(name)
  const codes = weightTensor(names.codes, 'uint8', shape === 'blocks' ? [rows, blocks, blob] : [rows, blocks * blob])
  const scales = weightTensor(names.scales, floats, [rows, blocks])
  const zeros = zerosTensor(names.zeros, [rows, blocks], setting, floats)
  return {
    tensors: [codes, scales, ...(zeros === null ? [] : [zeros])],
    async *write(source, signal) {
      const matrix = codeMatrix(await readStored(source, name, signal), setting)
      for (const range of rowPieces(rows, blocks * block)) {
        throwIfAborted(signal)
        yield { tensor: codes, bytes: packCodes(matrix, setting, range) }
      }
      yield* pieces(scales, bytesOf(blockScales(matrix, setting), floats))
      if (zeros === null) return
      yield* pieces(zeros, zero === 'codes' ? packZeros(matrix, setting) : bytesOf(blockZeros(matrix, setting), floats))
    },
    async prove(tools) {
      const allScales = floatsOf(await tools.read(scales, 0, scales.sizeBytes), floats)
      const zeroBytes = zeros === null ? null : await tools.read(zeros, 0, zeros.sizeBytes)
      const zeroRow = zero === 'floats' ? blocks : zeroRowBytes(setting, blocks)
      const allZeros = zeroBytes === null || zero === 'codes' ? zeroBytes : floatsOf(zeroBytes, floats)
      const rowBytes = codes.sizeBytes / rows
      await proveSlices(await readStored(tools.source, name, tools.signal), tools, async ({ rowStart, rowEnd }) =>
        unpackNBits({
          rows: rowEnd - rowStart,
          columns,
          bits,
          block,
          codes: await tools.read(codes, rowStart * rowBytes, rowEnd * rowBytes),
          scales: allScales.subarray(rowStart * blocks, rowEnd * blocks),
          zeros: allZeros?.subarray(rowStart * zeroRow, rowEnd * zeroRow) ?? null,
        }),
      )
    },
  }
}

function zerosTensor(name: string, [rows, blocks]: readonly [number, number], setting: NBits, floats: FloatType): WeightTensor | null {
  if (setting.zero === 'default') return null
  return setting.zero === 'floats'
    ? weightTensor(name, floats, [rows, blocks])
    : weightTensor(name, 'uint8', [rows, zeroRowBytes(setting, blocks)])
}

/** Codes and largest magnitudes of `MatMulBnb4`, whose blocks run over the flattened matrix. */
export function bnb4Group({ name, rows, columns, book, block }: Bnb4Matrix, floats: FloatType): WeightGroup {
  const names = partNames(name)
  const count = rows * columns
  const codes = weightTensor(names.codes, 'uint8', [Math.ceil(count / 2)])
  const absmax = weightTensor(names.absmax, floats, [Math.ceil(count / block)])
  return {
    tensors: [codes, absmax],
    async *write(source, signal) {
      const { codeBook } = await readCodeBook(source, name, signal)
      yield* pieces(codes, codeBook.codes)
      const scales = Float32Array.from(
        { length: absmax.shape[0] ?? 0 },
        (_, index) => codeBook.scales[Math.floor((index * block) / codeBook.blockSize)] ?? 0,
      )
      yield* pieces(absmax, bytesOf(scales, floats))
    },
    async prove(tools) {
      const { codeBook } = await readCodeBook(tools.source, name, tools.signal)
      const scales = floatsOf(await tools.read(absmax, 0, absmax.sizeBytes), floats)
      // Pieces of the flattened matrix, each a whole number of the stored blocks.
      for (const { rowStart, rowEnd } of rowPieces(Math.ceil(count / codeBook.blockSize), codeBook.blockSize)) {
        throwIfAborted(tools.signal)
        const [start, end] = [rowStart * codeBook.blockSize, Math.min(count, rowEnd * codeBook.blockSize)]
        const shape = { rows: 1, columns: end - start }
        const bytes = [start / 2, Math.ceil(end / 2)] as const
        const stored = { ...codeBook, ...shape, codes: codeBook.codes.slice(...bytes), scales: codeBook.scales.slice(rowStart, rowEnd) }
        const part = { codes: await tools.read(codes, ...bytes), scales: scales.subarray(start / block), block, count: end - start }
        const expected = await tools.kernels.dequantizeCodeBook(stored, tools.signal)
        proveEqual(`Tensor ${name}`, unpackBnb4(part, codeBooks[book]), expected, start)
      }
    },
  }
}

function* pieces(tensor: WeightTensor, bytes: Uint8Array<ArrayBuffer>) {
  for (const piece of inPieces(bytes)) yield { tensor, bytes: piece }
}

/** Throws `storage-fault` where storage holds another encoding than the recipe says. */
export async function readStored(source: ExportSource, name: string, signal?: AbortSignal): Promise<QuantizedTensor> {
  const stored = await source.readQuantized(name, signal)
  const expected = source.encodings.get(name)?.encoding
  if (stored.encoding !== expected) throw otherEncoding(stored, String(expected))
  return stored
}

async function readCodeBook(source: ExportSource, name: string, signal?: AbortSignal): Promise<QuantizedTensor<'codebook'>> {
  const stored = await source.readQuantized(name, signal)
  if (stored.encoding !== 'codebook') throw otherEncoding(stored, 'codebook')
  return stored
}

function otherEncoding({ name, encoding }: QuantizedTensor, expected: string): StudioError {
  return new StudioError('storage-fault', {
    title: 'What is stored does not fit the recipe',
    message: `${name} is stored as ${encoding}, but the recipe says ${expected}.`,
    remedy: 'Run the recipe again, then export again.',
    details: { tensor: name },
  })
}
