import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { unpackRow } from '../code-rows.ts'
import type { LinePart } from '../matrix-parts.ts'
import { requireEncoding } from '../stored-tiles.ts'

/**
 * scale * (code - zeroPoint) as f32. Exact: a half has 11 bits and the difference at most 9, so their product fits the 24 of an
 * f32.
 */
export function affineValues({ rows, columns, bits, group, codes, scales, zeroPoints }: AffineTensor): Float32Array<ArrayBuffer> {
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const width = typeof group === 'number' ? group : columns
  const values = new Float32Array(rows * columns)
  const ofRow = new Uint8Array(columns)
  for (let row = 0; row < rows; row++) {
    unpackRow(codes, { at: row * rowBytes, bits, columns }, ofRow)
    for (let index = 0; index < groups; index++) {
      const own = group === 'tensor' ? 0 : row * groups + index
      const [scale, zero] = [scales[own] ?? Number.NaN, zeroPoints[own] ?? 0]
      const end = Math.min(columns, (index + 1) * width)
      for (let column = index * width; column < end; column++) values[row * columns + column] = scale * ((ofRow[column] ?? 0) - zero)
    }
  }
  return values
}

/** Zero points by row and group. */
export function zeroPointsOf({ columns, group, zeroPoints }: AffineTensor): (row: number, index: number) => number {
  const groups = group === 'tensor' ? 0 : groupsPerRow(columns, group)
  return (row, index) => zeroPoints[row * groups + index] ?? 0
}

/** Scales [groups, rows] in half precision, which the stored ones already have: as GPTQ and AWQ order them. */
export function scalesByGroup(rows: number, groups: number): LinePart {
  return {
    kind: 'lines',
    lines: groups,
    lineBytes: 2 * rows,
    put({ tile, rowStart }, { lineStart, bytes }, memory) {
      const { group, scales } = requireEncoding(tile, 'affine').affine
      const ofRows = group === 'tensor' ? new Float32Array(tile.rows).fill(scales[0] ?? 0) : scales
      const lines = { bytes, lineBytes: 2 * rows, at: 2 * rowStart }
      memory.floatsToHalfLines({ bytes: bytesOfFloats(ofRows), rowBytes: 4 * groups }, lineStart, lines)
    },
  }
}
