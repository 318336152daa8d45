import type { RuntimeRounding } from '../kernels/contract/activations.ts'
import type { Kernels, MatrixShape } from '../kernels/contract/kernels.ts'
import type { GridEncodingName, QuantizedTensor, TensorEncoding } from './quantized-tensor.ts'

/**
 * A storage encoding: how a quantized tensor is kept between the walk and everything after it. One file in `encodings/`
 * each, default export; it declares its line of `StorageEncodings`. Tensors hold codes in the order of rows, so that
 * consecutive rows can be stored and read alone, as tiles.
 */
export interface Encoding<Name extends GridEncodingName = GridEncodingName> {
  /** `encoding` in tensors. */
  readonly kind: Name
  /** With number and article left out, for sentences: `Q4_0 blocks of 32`. */
  describe(encoding: TensorEncoding<Name>): string
  /** Bits a matrix takes in a file that packs it tightly, scales included: what the plan counts. */
  fileBits(shape: MatrixShape, encoding: TensorEncoding<Name>): number
  /** Bytes of all `parts` of a matrix or tile. */
  storedBytes(shape: MatrixShape, encoding: TensorEncoding<Name>): number
  /** A tile starts at a multiple of this many rows; `shape.rows` where a matrix cannot be cut. */
  rowStep(shape: MatrixShape, encoding: TensorEncoding<Name>): number
  /** The same for a matrix that is quantized already: `rows` cuts at multiples of it. */
  cutStep(shape: MatrixShape, encoding: TensorEncoding<Name>): number
  /** Weights that share a scale where such groups end with the row, else `null`. */
  groupSize(encoding: TensorEncoding<Name>): number | null
  /** How llama.cpp's kernels for processors round the inputs of such a matrix; absent where it does not run the encoding. */
  llamaCppInputs?(encoding: TensorEncoding<Name>): RuntimeRounding
  encodingOf(tensor: QuantizedTensor<Name>): TensorEncoding<Name>
  /** Its bytes, to be stored one part after the other; they may be views of the tensor. */
  parts(tensor: QuantizedTensor<Name>): readonly Uint8Array[]
  /** The inverse; `bytes`, of `storedBytes`, become the tensor's, which may be a view of them. */
  fromBytes(bytes: Uint8Array<ArrayBuffer>, place: TensorPlace, encoding: TensorEncoding<Name>): QuantizedTensor<Name>
  /** Rows [rowStart, rowEnd) as a tensor of their own that shares the memory of this one; `rowStart` is a multiple of `cutStep`. */
  rows(tensor: QuantizedTensor<Name>, rowStart: number, rowEnd: number): QuantizedTensor<Name>
  /** Whether the bytes of a matrix are those of its tiles, one after the other; absent: they are not. */
  readonly isConcatenated?: boolean
  /** A matrix from all of its tiles, in order. */
  join(tiles: readonly QuantizedTensor<Name>[], place: TensorPlace): QuantizedTensor<Name>
  /** Back to f32 [rows, columns], exactly what a runtime computes from the file. */
  dequantize(tensor: QuantizedTensor<Name>, kernels: Kernels, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>
}

export interface TensorPlace extends MatrixShape {
  readonly name: string
}
