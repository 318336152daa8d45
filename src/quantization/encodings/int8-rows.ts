import type { Int8RowsTensor } from '../../kernels/contract/int8-rows.ts'
import type { Encoding } from '../encoding.ts'
import { bytesOfFloats, floatsIn, joinFloats } from '../join-arrays.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly 'int8-rows': { readonly settings: object; readonly tensor: { readonly int8Rows: Int8RowsTensor } }
  }
}

/** 8-bit codes with a scale a row, as LLM.int8() keeps weights. Stored: codes, f32 scales. */
const int8Rows: Encoding<'int8-rows'> = {
  kind: 'int8-rows',
  describe: () => 'int8 codes with one scale a row',
  fileBits: ({ rows, columns }) => 8 * rows * columns + 32 * rows,
  storedBytes: ({ rows, columns }) => rows * columns + 4 * rows,
  rowStep: () => 1,
  cutStep: () => 1,
  groupSize: () => null,
  encodingOf: () => ({ encoding: 'int8-rows' }),
  parts: ({ int8Rows: { codes, scales } }) => [new Uint8Array(codes.buffer, codes.byteOffset, codes.length), bytesOfFloats(scales)],
  fromBytes(bytes, place) {
    const { rows, columns } = place
    const codes = new Int8Array(bytes.buffer, bytes.byteOffset, rows * columns)
    const scales = floatsIn(bytes, rows * columns, rows)
    return { ...place, encoding: 'int8-rows', int8Rows: { rows, columns, codes, scales } }
  },
  rows(tensor, rowStart, rowEnd) {
    const { columns, codes, scales } = tensor.int8Rows
    const rows = rowEnd - rowStart
    const part = { codes: codes.subarray(rowStart * columns, rowEnd * columns), scales: scales.subarray(rowStart, rowEnd) }
    return { ...tensor, rows, int8Rows: { rows, columns, ...part } }
  },
  join(tiles, place) {
    if (tiles.length === 0) throw new RangeError(`${place.name} has no tiles`)
    const { rows, columns } = place
    const codes = new Int8Array(rows * columns)
    let at = 0
    for (const { int8Rows: tile } of tiles) {
      codes.set(tile.codes, at)
      at += tile.codes.length
    }
    const scales = joinFloats(tiles.map((tile) => tile.int8Rows.scales))
    return { ...place, encoding: 'int8-rows', int8Rows: { rows, columns, codes, scales } }
  },
  dequantize: (tensor, kernels, signal) => kernels.dequantizeInt8Rows(tensor.int8Rows, signal),
}

export default int8Rows
