import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { StudioError } from '../../core/errors.ts'
import type { CodeBookTensor } from '../../kernels/contract/codebook.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import type { GridEncodingName, QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { sliceRows } from '../affine-rows.ts'
import type { ExportSource } from '../target.ts'

type StoredAs<Name extends GridEncodingName> = Extract<QuantizedTensor, { readonly encoding: Name }>

/** A tensor in the encoding that the recipe says. Throws `storage-fault`. */
export function requireEncoding<Name extends GridEncodingName>(stored: QuantizedTensor, encoding: Name): StoredAs<Name> {
  if (hasEncoding(stored, encoding)) return stored
  throw new StudioError('storage-fault', {
    title: 'What is stored does not fit the recipe',
    message: `${stored.name} is stored as ${stored.encoding}, but the recipe says ${encoding}.`,
    remedy: 'Run the recipe again, then export again.',
    details: { tensor: stored.name },
  })
}

function hasEncoding<Name extends GridEncodingName>(stored: QuantizedTensor, encoding: Name): stored is StoredAs<Name> {
  return stored.encoding === encoding
}

export async function readStored(source: ExportSource, name: string, encoding: GridEncodingName, signal?: AbortSignal) {
  return requireEncoding(await source.readQuantized(name, signal), encoding)
}

/** Rows at which pieces of a stored matrix may begin: where nothing that rows share is cut. */
export function rowUnit(stored: QuantizedTensor): number {
  if (stored.encoding !== 'codebook') return 1
  return stored.codeBook.blockSize / greatestDivisor(stored.columns, stored.codeBook.blockSize)
}

/** Values of rows [rowStart, rowEnd) in f32; `rowStart` is a multiple of `rowUnit`. Of the encodings that these formats hold. */
export function dequantizeRange(
  stored: QuantizedTensor,
  rows: RowRange,
  kernels: Kernels,
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  switch (stored.encoding) {
    case 'affine':
      return kernels.dequantizeAffine(sliceRows(stored.affine, rows), signal)
    case 'codebook':
      return kernels.dequantizeCodeBook(codeBookRows(stored.codeBook, rows), signal)
    case 'int8-rows': {
      const { columns, codes, scales } = stored.int8Rows
      const part = codes.slice(rows.rowStart * columns, rows.rowEnd * columns)
      const own = { rows: rows.rowEnd - rows.rowStart, columns, codes: part, scales: scales.slice(rows.rowStart, rows.rowEnd) }
      return kernels.dequantizeInt8Rows(own, signal)
    }
    case 'float':
    case 'ggml':
    case 'k-means':
    case 'real-affine':
      throw new RangeError(`${stored.encoding} is in none of these formats`)
  }
}

function codeBookRows(tensor: CodeBookTensor, { rowStart, rowEnd }: RowRange): CodeBookTensor {
  const { columns, blockSize, codes, scales } = tensor
  const first = rowStart * columns
  const last = rowEnd * columns
  return {
    ...tensor,
    rows: rowEnd - rowStart,
    codes: codes.slice(first / 2, Math.ceil(last / 2)),
    scales: scales.slice(first / blockSize, Math.ceil(last / blockSize)),
  }
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
