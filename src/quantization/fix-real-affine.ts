import type { Matrix } from '../kernels/contract/kernels.ts'
import type { RealAffineFit } from '../kernels/contract/real-affine.ts'
import type { FixedGrid, FixOptions } from './fixed-grid.ts'
import { packRows, packTritRows } from './pack-rows.ts'

/** Scales and zero points as they are fitted for nearest rounding; the codes are chosen anew. */
export async function fixRealAffine(
  name: string,
  weight: Matrix,
  fit: RealAffineFit,
  { source, kernels, signal }: Pick<FixOptions, 'source' | 'kernels' | 'signal'>,
): Promise<FixedGrid> {
  const { rows, columns } = weight
  // Columns that are 0 because no input uses them would only make a mean smaller.
  const nearest = await kernels.quantizeRealAffine(fit.fit === 'mean' ? source : weight, fit, signal)
  const { scales, zeroPoints, levels, isSymmetric } = nearest
  const middle = (levels - 1) / 2
  return {
    kind: 'fixed',
    groupSize: typeof fit.group === 'number' ? fit.group : columns,
    grid: {
      kind: 'uniform',
      largestCode: levels - 1,
      scales,
      // Zero points that are no codes: where code 0 lies is an offset instead.
      zeroPoints: new Float32Array(scales.length),
      offsets: scales.map((scale, group) => -scale * (isSymmetric ? middle : (zeroPoints[group] ?? 0))),
    },
    finish({ codes }) {
      const packed = levels === 3 ? packTritRows(codes, weight) : packRows(codes, weight, Math.log2(levels))
      return { name, rows, columns, encoding: 'real-affine', realAffine: { ...nearest, codes: packed } }
    },
  }
}
