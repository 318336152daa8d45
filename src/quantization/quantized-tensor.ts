import type { AffineTensor } from '../kernels/contract/affine.ts'
import type { GgmlType } from '../kernels/contract/ggml.ts'

/** What the walk stores and exports read: a tensor on its grid. `name` is the checkpoint name of the weight. */
export type QuantizedTensor = { readonly name: string; readonly rows: number; readonly columns: number } & (
  | { readonly encoding: 'affine'; readonly affine: AffineTensor }
  | { readonly encoding: 'ggml'; readonly type: GgmlType; readonly blocks: Uint8Array<ArrayBuffer> }
)

/** The same without its bytes: enough for plan, layout and reports. */
export type TensorEncoding =
  | { readonly encoding: 'affine'; readonly bits: number; readonly isSymmetric: boolean; readonly group: number | 'row' | 'tensor' }
  | { readonly encoding: 'ggml'; readonly type: GgmlType }
  | { readonly encoding: 'source' }
