import type { Encoding } from '../encoding.ts'
import { bytesOfFloats, floatsIn, joinFloats } from '../join-arrays.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly float: { readonly settings: object; readonly tensor: { readonly values: Float32Array<ArrayBuffer> } }
  }
}

/** f32 as they are: norms, biases and matrices that a transform changed and no grid holds. A vector is one row. */
const float: Encoding<'float'> = {
  kind: 'float',
  describe: () => 'floats of 32 bits',
  fileBits: ({ rows, columns }) => 32 * rows * columns,
  storedBytes: ({ rows, columns }) => 4 * rows * columns,
  rowStep: () => 1,
  cutStep: () => 1,
  groupSize: () => null,
  encodingOf: () => ({ encoding: 'float' }),
  parts: ({ values }) => [bytesOfFloats(values)],
  fromBytes: (bytes, place) => ({ ...place, encoding: 'float', values: floatsIn(bytes, 0, place.rows * place.columns) }),
  rows: (tensor, rowStart, rowEnd) => ({
    ...tensor,
    rows: rowEnd - rowStart,
    values: tensor.values.subarray(rowStart * tensor.columns, rowEnd * tensor.columns),
  }),
  join: (tiles, place) => ({ ...place, encoding: 'float', values: joinFloats(tiles.map(({ values }) => values)) }),
  dequantize: async ({ values }) => values,
}

export default float
