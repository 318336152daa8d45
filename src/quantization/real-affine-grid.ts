import type { RealAffineFit } from '../kernels/contract/real-affine.ts'
import { fixRealAffine } from './fix-real-affine.ts'
import type { Grid } from './grid.ts'

type Storing<Settings> = Pick<Required<Grid<Settings>>, 'encoding' | 'supports' | 'quantizeNearest' | 'fixed'>

/** The part of a grid that makes tensors, where `fitOf` says all there is to say: how scales and zero points come about. */
export function realAffineGrid<Settings>(fitOf: (settings: Settings) => RealAffineFit): Storing<Settings> {
  return {
    encoding(_shape, settings) {
      const { levels, isSymmetric, group } = fitOf(settings)
      return { encoding: 'real-affine', levels, isSymmetric, group }
    },
    supports: () => true,
    async quantizeNearest(name, weight, { settings, kernels, signal }) {
      const realAffine = await kernels.quantizeRealAffine(weight, fitOf(settings), signal)
      return { name, rows: weight.rows, columns: weight.columns, encoding: 'real-affine', realAffine }
    },
    fixed: (name, weight, { settings, ...options }) => fixRealAffine(name, weight, fitOf(settings), options),
  }
}
