import bitsandbytesReader from '../../checkpoint/source-formats/bitsandbytes.ts'
import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import { blockCount, codeBooks, codeBytes } from '../../kernels/contract/codebook.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { dynamicMap, nestedBlock } from '../../quantization/nested-scales.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { inPieces } from '../float-pieces.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../safetensors/stored-rows.ts'
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
    *pieces(name, stored) {
      const { codeBook, nested } = requireEncoding(stored, 'codebook')
      if (name === weight.name) yield* inPieces(codeBook.codes)
      if (name === absmax.name) yield* inPieces(nested?.codes ?? bytesOfFloats(codeBook.scales))
      if (name === map.name) yield bytesOfFloats(codeBooks[book])
      if (name === nestedAbsmax.name && nested !== null) yield bytesOfFloats(nested.absmax)
      if (name === nestedMap.name) yield bytesOfFloats(dynamicMap)
      if (name === state.name) yield quantStateBytes(shape, encoding, nested?.offset ?? null)
    },
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
    *pieces(name, stored) {
      const { codes, scales } = requireEncoding(stored, 'int8-rows').int8Rows
      if (name === weight.name) yield* inPieces(new Uint8Array(codes.buffer, codes.byteOffset, codes.length))
      if (name === largest.name) yield bytesOfFloats(scales)
      // 0 is "row".
      if (name === format.name) yield Uint8Array.of(0)
    },
    open: (find) => bitsandbytesReader.open(spec, find, {}),
  }
}
