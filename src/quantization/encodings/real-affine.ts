import { narrowToHalf, widenHalf } from '../../core/float16.ts'
import { groupsPerRow } from '../../kernels/contract/affine.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import { codeRowBytes, type RealAffineParams, type RealAffineTensor } from '../../kernels/contract/real-affine.ts'
import type { Encoding } from '../encoding.ts'
import { bytesOfHalves, joinBytes, joinFloats } from '../join-arrays.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly 'real-affine': { readonly settings: RealAffineParams; readonly tensor: { readonly realAffine: RealAffineTensor } }
  }
}

/** Codes with a scale and, unless symmetric, a zero point for each group, both halves. Stored: codes, scales, zero points. */
const realAffine: Encoding<'real-affine'> = {
  kind: 'real-affine',
  describe({ levels, isSymmetric, group }) {
    const span = typeof group === 'number' ? `in groups of ${group}` : 'with one scale a row'
    return `affine codes of ${levels} values ${span}${isSymmetric ? '' : ' with fractional zero points'}`
  },
  fileBits: (shape, settings) => 8 * storedBytes(shape, settings),
  storedBytes,
  rowStep: () => 1,
  cutStep: () => 1,
  groupSize: ({ group }) => (typeof group === 'number' ? group : null),
  encodingOf: ({ realAffine: { levels, isSymmetric, group } }) => ({ encoding: 'real-affine', levels, isSymmetric, group }),
  parts: ({ realAffine: { codes, scales, zeroPoints } }) => [
    codes,
    bytesOfHalves(narrowToHalf(scales)),
    bytesOfHalves(narrowToHalf(zeroPoints)),
  ],
  fromBytes(bytes, place, { levels, isSymmetric, group }) {
    const { rows, columns } = place
    const scaleStart = rows * codeRowBytes(columns, levels)
    const zeroStart = scaleStart + 2 * rows * groupsPerRow(columns, group)
    // slice copies, so that halves start on a boundary of two whatever the codes before them.
    const scales = widenHalf(new Uint16Array(bytes.slice(scaleStart, zeroStart).buffer))
    const zeroPoints = widenHalf(new Uint16Array(bytes.slice(zeroStart).buffer))
    const codes = bytes.subarray(0, scaleStart)
    return { ...place, encoding: 'real-affine', realAffine: { rows, columns, levels, isSymmetric, group, codes, scales, zeroPoints } }
  },
  rows(tensor, rowStart, rowEnd) {
    const { columns, levels, group, codes, scales, zeroPoints } = tensor.realAffine
    const rows = rowEnd - rowStart
    const rowBytes = codeRowBytes(columns, levels)
    const groups = groupsPerRow(columns, group)
    const part = {
      codes: codes.subarray(rowStart * rowBytes, rowEnd * rowBytes),
      scales: scales.subarray(rowStart * groups, rowEnd * groups),
      zeroPoints: zeroPoints.subarray(rowStart * groups, rowEnd * groups),
    }
    return { ...tensor, rows, realAffine: { ...tensor.realAffine, rows, ...part } }
  },
  join(tiles, place) {
    const [first] = tiles
    if (first === undefined) throw new RangeError(`${place.name} has no tiles`)
    const { rows, columns } = place
    const whole = {
      ...first.realAffine,
      rows,
      columns,
      codes: joinBytes(tiles.map((tile) => tile.realAffine.codes)),
      scales: joinFloats(tiles.map((tile) => tile.realAffine.scales)),
      zeroPoints: joinFloats(tiles.map((tile) => tile.realAffine.zeroPoints)),
    }
    return { ...place, encoding: 'real-affine', realAffine: whole }
  },
  dequantize: (tensor, kernels, signal) => kernels.dequantizeRealAffine(tensor.realAffine, signal),
}

export default realAffine

function storedBytes({ rows, columns }: MatrixShape, { levels, isSymmetric, group }: RealAffineParams): number {
  return rows * (codeRowBytes(columns, levels) + groupsPerRow(columns, group) * (isSymmetric ? 2 : 4))
}
