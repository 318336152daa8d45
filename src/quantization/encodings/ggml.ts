import { type GgmlType, ggmlBytes, ggmlInputs, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { Encoding } from '../encoding.ts'
import { joinBytes } from '../join-arrays.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly ggml: {
      readonly settings: { readonly type: GgmlType }
      readonly tensor: { readonly type: GgmlType; readonly blocks: Uint8Array }
    }
  }
}

/** ggml blocks, stored as they are. */
const ggml: Encoding<'ggml'> = {
  kind: 'ggml',
  describe: ({ type }) => `${type} blocks of ${ggmlTypes[type].blockSize}`,
  fileBits: ({ rows, columns }, { type }) => 8 * ggmlBytes(type, rows, columns),
  storedBytes: ({ rows, columns }, { type }) => ggmlBytes(type, rows, columns),
  rowStep: () => 1,
  cutStep: () => 1,
  groupSize: () => null,
  llamaCppInputs: ({ type }) => ggmlInputs(type),
  encodingOf: ({ type }) => ({ encoding: 'ggml', type }),
  parts: ({ blocks }) => [blocks],
  fromBytes: (blocks, place, { type }) => ({ ...place, encoding: 'ggml', type, blocks }),
  rows(tensor, rowStart, rowEnd) {
    const rowBytes = ggmlBytes(tensor.type, 1, tensor.columns)
    return { ...tensor, rows: rowEnd - rowStart, blocks: tensor.blocks.subarray(rowStart * rowBytes, rowEnd * rowBytes) }
  },
  isConcatenated: true,
  join(tiles, place) {
    const [first] = tiles
    if (first === undefined) throw new RangeError(`${place.name} has no tiles`)
    return { ...place, encoding: 'ggml', type: first.type, blocks: joinBytes(tiles.map(({ blocks }) => blocks)) }
  },
  dequantize: ({ blocks, rows, columns, type }, kernels, signal) => kernels.dequantizeGgml(blocks, { rows, columns }, type, signal),
}

export default ggml
