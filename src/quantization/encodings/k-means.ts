import { narrowToHalf, widenHalf } from '../../core/float16.ts'
import { groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import type { KMeansParams, KMeansTensor } from '../../kernels/contract/k-means.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import type { Encoding } from '../encoding.ts'
import { bytesOfHalves, joinBytes, joinFloats } from '../join-arrays.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly 'k-means': { readonly settings: KMeansParams; readonly tensor: { readonly kMeans: KMeansTensor } }
  }
}

/** Codes into a table of halves for each group. Stored: codes, tables. */
const kMeans: Encoding<'k-means'> = {
  kind: 'k-means',
  describe({ bits, group }) {
    return `codes of ${bits} bits into a table of values for each ${group === 'row' ? 'row' : `group of ${group}`}`
  },
  fileBits: (shape, settings) => 8 * storedBytes(shape, settings),
  storedBytes,
  rowStep: () => 1,
  cutStep: () => 1,
  groupSize: ({ group }) => (typeof group === 'number' ? group : null),
  encodingOf: ({ kMeans: { bits, group } }) => ({ encoding: 'k-means', bits, group }),
  parts: ({ kMeans: { codes, centroids } }) => [codes, bytesOfHalves(narrowToHalf(centroids))],
  fromBytes(bytes, place, { bits, group }) {
    const { rows, columns } = place
    const tableStart = rows * packedRowBytes(columns, bits)
    // slice copies, so that halves start on a boundary of two whatever the codes before them.
    const centroids = widenHalf(new Uint16Array(bytes.slice(tableStart).buffer))
    return { ...place, encoding: 'k-means', kMeans: { rows, columns, bits, group, codes: bytes.subarray(0, tableStart), centroids } }
  },
  rows(tensor, rowStart, rowEnd) {
    const { columns, bits, group, codes, centroids } = tensor.kMeans
    const rows = rowEnd - rowStart
    const rowBytes = packedRowBytes(columns, bits)
    const tables = groupsPerRow(columns, group) * 2 ** bits
    const part = {
      codes: codes.subarray(rowStart * rowBytes, rowEnd * rowBytes),
      centroids: centroids.subarray(rowStart * tables, rowEnd * tables),
    }
    return { ...tensor, rows, kMeans: { ...tensor.kMeans, rows, ...part } }
  },
  join(tiles, place) {
    const [first] = tiles
    if (first === undefined) throw new RangeError(`${place.name} has no tiles`)
    const { rows, columns } = place
    const codes = joinBytes(tiles.map((tile) => tile.kMeans.codes))
    const centroids = joinFloats(tiles.map((tile) => tile.kMeans.centroids))
    return { ...place, encoding: 'k-means', kMeans: { ...first.kMeans, rows, columns, codes, centroids } }
  },
  dequantize: (tensor, kernels, signal) => kernels.dequantizeKMeans(tensor.kMeans, signal),
}

export default kMeans

function storedBytes({ rows, columns }: MatrixShape, { bits, group }: KMeansParams): number {
  return rows * (packedRowBytes(columns, bits) + groupsPerRow(columns, group) * 2 ** bits * 2)
}
