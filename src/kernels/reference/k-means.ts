import { largestHalf, roundToHalf } from '../../core/float16.ts'
import { groupsPerRow, packedRowBytes } from '../contract/affine.ts'
import type { KMeansParams, KMeansTensor } from '../contract/k-means.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import { packCodes, unpackCodes } from './bit-stream.ts'
import { bestClusters, moveBorders, type SortedGroup, sortGroup } from './clusters.ts'

/** The table of a group as halves, ascending. */
function tableOf(group: SortedGroup, count: number): Float32Array {
  const { means } = bestClusters(group, count)
  return Float32Array.from(means, (mean) => roundToHalf(Math.min(largestHalf, Math.max(-largestHalf, mean))))
}

export function quantizeKMeans(piece: MatrixPiece, { bits, group }: KMeansParams, importance: Float32Array | null): KMeansTensor {
  const { rows, columns, data } = piece
  if (!data.every(Number.isFinite)) throw weightNotFinite(piece)
  const groups = groupsPerRow(columns, group)
  const groupColumns = group === 'row' ? columns : group
  const rowBytes = packedRowBytes(columns, bits)
  const count = 2 ** bits
  const codes = new Uint8Array(rows * rowBytes)
  const centroids = new Float32Array(rows * groups * count)
  const rowCodes = new Uint8Array(columns)
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < groups; index++) {
      const start = index * groupColumns
      const end = Math.min(start + groupColumns, columns)
      const sorted = sortGroup(data.subarray(row * columns + start, row * columns + end), importance?.subarray(start, end) ?? null)
      const table = tableOf(sorted, count)
      centroids.set(table, (row * groups + index) * count)
      const borders = new Uint32Array(count + 1)
      moveBorders(sorted.values, { borders, means: Float64Array.from(table) })
      for (let code = 0, i = 0; i < sorted.order.length; i++) {
        while (code < count - 1 && (borders[code + 1] ?? 0) <= i) code++
        rowCodes[start + (sorted.order[i] ?? 0)] = code
      }
    }
    packCodes(rowCodes, bits, codes.subarray(row * rowBytes, (row + 1) * rowBytes))
  }
  return { rows, columns, bits, group, codes, centroids }
}

export function dequantizeKMeans({ rows, columns, bits, group, codes, centroids }: KMeansTensor): Float32Array<ArrayBuffer> {
  const groups = groupsPerRow(columns, group)
  const groupColumns = group === 'row' ? columns : group
  const rowBytes = packedRowBytes(columns, bits)
  const rowCodes = new Uint8Array(columns)
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    unpackCodes(codes.subarray(row * rowBytes, (row + 1) * rowBytes), bits, rowCodes)
    for (let column = 0; column < columns; column++) {
      const table = (row * groups + Math.floor(column / groupColumns)) * 2 ** bits
      values[row * columns + column] = centroids[table + (rowCodes[column] ?? 0)] ?? 0
    }
  }
  return values
}
