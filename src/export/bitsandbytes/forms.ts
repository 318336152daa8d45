import bitsandbytesReader from '../../checkpoint/source-formats/bitsandbytes.ts'
import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import { blockCount, codeBooks, codeBytes } from '../../kernels/contract/codebook.ts'
import type { Int8RowsTensor } from '../../kernels/contract/int8-rows.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { dynamicMap, nestedBlock } from '../../quantization/nested-scales.ts'
import type { QuantizedTensor, TensorEncoding } from '../../quantization/quantized-tensor.ts'
import type { MatrixPart } from '../matrix-parts.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../stored-tiles.ts'
import { quantStateBytes } from './quant-state.ts'

/** The 4-bit state dict of `bitsandbytes.nn.Linear4bit` (`nn/modules.py`, `functional.QuantState`): any size of matrix. */
export function codeBookForm(spec: TensorSpec, encoding: TensorEncoding<'codebook'>): PackedForm {
  const [rows = 0, columns = 0] = spec.shape
  const { book, blockSize, isNested } = encoding
  const shape = { rows, columns }
  const blocks = blockCount(shape, blockSize)
  const part = (suffix: string, dtype: SafetensorsDType, extent: number) => ({ name: `${spec.name}.${suffix}`, dtype, shape: [extent] })
  const weight = { name: spec.name, dtype: 'U8', shape: [codeBytes(shape), 1] } as const
  const absmax = part('absmax', isNested ? 'U8' : 'F32', blocks)
  const map = part('quant_map', 'F32', codeBooks[book].length)
  const nestedAbsmax = part('nested_absmax', 'F32', Math.ceil(blocks / nestedBlock))
  const nestedMap = part('nested_quant_map', 'F32', dynamicMap.length)
  const state = part(`quant_state.bitsandbytes__${book}`, 'U8', quantStateBytes(shape, encoding, isNested ? 0 : null).length)
  return {
    specs: [weight, absmax, map, ...(isNested ? [nestedAbsmax, nestedMap] : []), state],
    unit: 1,
    parts: new Map<string, MatrixPart>([
      [weight.name, ofBook(({ codeBook }) => codeBook.codes)],
      [absmax.name, ofBook(({ codeBook, nested }) => nested?.codes ?? bytesOfFloats(codeBook.scales))],
      [map.name, { kind: 'fixed', bytes: () => bytesOfFloats(codeBooks[book]) }],
      [nestedAbsmax.name, ofBook(({ nested }) => (nested === null ? new Uint8Array() : bytesOfFloats(nested.absmax)))],
      [nestedMap.name, { kind: 'fixed', bytes: () => bytesOfFloats(dynamicMap) }],
      // Every tile has the offset of the matrix.
      [
        state.name,
        ofBook(({ nested }, isFirst) => (isFirst ? quantStateBytes(shape, encoding, nested?.offset ?? null) : new Uint8Array())),
      ],
    ]),
    open: (find) => bitsandbytesReader.open(spec, find, {}),
  }
}

/** The state dict of `bitsandbytes.nn.Linear8bitLt`. */
export function int8Form(spec: TensorSpec): PackedForm {
  const [rows = 0, columns = 0] = spec.shape
  const module = moduleOf(spec.name)
  const weight = { name: spec.name, dtype: 'I8', shape: [rows, columns] } as const
  const largest = { name: `${module}.SCB`, dtype: 'F32', shape: [rows] } as const
  const format = { name: `${module}.weight_format`, dtype: 'U8', shape: [] } as const
  return {
    specs: [weight, largest, format],
    unit: 1,
    parts: new Map<string, MatrixPart>([
      [weight.name, ofInt8(({ codes }) => new Uint8Array(codes.buffer, codes.byteOffset, codes.length))],
      [largest.name, ofInt8(({ scales }) => bytesOfFloats(scales))],
      // 0 is "row".
      [format.name, { kind: 'fixed', bytes: () => Uint8Array.of(0) }],
    ]),
    open: (find) => bitsandbytesReader.open(spec, find, {}),
  }
}

function ofBook(bytesOf: (tile: QuantizedTensor<'codebook'>, isFirst: boolean) => Uint8Array<ArrayBuffer>): MatrixPart {
  return { kind: 'rows', bytesOf: ({ tile, rowStart }) => bytesOf(requireEncoding(tile, 'codebook'), rowStart === 0) }
}

function ofInt8(bytesOf: (tile: Int8RowsTensor) => Uint8Array<ArrayBuffer>): MatrixPart {
  return { kind: 'rows', bytesOf: ({ tile }) => bytesOf(requireEncoding(tile, 'int8-rows').int8Rows) }
}
