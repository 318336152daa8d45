import { type AffineParams, type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import type { Encoding } from '../encoding.ts'
import { bytesOfFloats, floatsIn, joinBytes, joinFloats } from '../join-arrays.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly affine: { readonly settings: AffineParams; readonly tensor: { readonly affine: AffineTensor } }
  }
}

/** Codes with a scale and a zero point for each group. Stored: codes, f32 scales, zero points. */
const affine: Encoding<'affine'> = {
  kind: 'affine',
  describe({ bits, group }) {
    const span = typeof group === 'number' ? `in groups of ${group}` : group === 'row' ? 'with one scale a row' : 'with one scale a matrix'
    return `affine codes of ${bits} bits ${span}`
  },
  // Files hold scales as halves, zero points in the bits of a code.
  fileBits(shape, { bits, group, isSymmetric }) {
    return 8 * codeBytes(shape, bits) + groupCount(shape, group) * (16 + (isSymmetric ? 0 : bits))
  },
  storedBytes: (shape, { bits, group }) => codeBytes(shape, bits) + 5 * groupCount(shape, group),
  rowStep: ({ rows }, { group }) => (group === 'tensor' ? rows : 1),
  cutStep: () => 1,
  groupSize: ({ group }) => (typeof group === 'number' ? group : null),
  encodingOf: ({ affine: { bits, isSymmetric, group } }) => ({ encoding: 'affine', bits, isSymmetric, group }),
  parts: ({ affine: { codes, scales, zeroPoints } }) => [codes, bytesOfFloats(scales), zeroPoints],
  fromBytes(bytes, place, { bits, isSymmetric, group }) {
    const { rows, columns } = place
    const scaleStart = codeBytes(place, bits)
    const zeroStart = scaleStart + 4 * groupCount(place, group)
    const codes = bytes.subarray(0, scaleStart)
    const scales = floatsIn(bytes, scaleStart, groupCount(place, group))
    const zeroPoints = bytes.subarray(zeroStart)
    return { ...place, encoding: 'affine', affine: { rows, columns, bits, isSymmetric, group, codes, scales, zeroPoints } }
  },
  rows(tensor, rowStart, rowEnd) {
    const { columns, bits, group, codes, scales, zeroPoints } = tensor.affine
    const rows = rowEnd - rowStart
    const rowBytes = packedRowBytes(columns, bits)
    const part = { ...tensor.affine, rows, codes: codes.subarray(rowStart * rowBytes, rowEnd * rowBytes) }
    if (group === 'tensor') return { ...tensor, rows, affine: part }
    const groups = groupsPerRow(columns, group)
    const [start, end] = [rowStart * groups, rowEnd * groups]
    return { ...tensor, rows, affine: { ...part, scales: scales.subarray(start, end), zeroPoints: zeroPoints.subarray(start, end) } }
  },
  join(tiles, place) {
    const [first] = tiles
    if (first === undefined) throw new RangeError(`${place.name} has no tiles`)
    const { rows, columns } = place
    // One scale for the matrix stands in every tile.
    const scaled = first.affine.group === 'tensor' ? [first] : tiles
    const whole = {
      ...first.affine,
      rows,
      columns,
      codes: joinBytes(tiles.map((tile) => tile.affine.codes)),
      scales: joinFloats(scaled.map((tile) => tile.affine.scales)),
      zeroPoints: joinBytes(scaled.map((tile) => tile.affine.zeroPoints)),
    }
    return { ...place, encoding: 'affine', affine: whole }
  },
  dequantize: (tensor, kernels, signal) => kernels.dequantizeAffine(tensor.affine, signal),
}

export default affine

function codeBytes({ rows, columns }: MatrixShape, bits: number): number {
  return rows * packedRowBytes(columns, bits)
}

function groupCount({ rows, columns }: MatrixShape, group: AffineParams['group']): number {
  return group === 'tensor' ? 1 : rows * groupsPerRow(columns, group)
}
