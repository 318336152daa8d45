import * as v from 'valibot'
import type { AffineFit } from '../../kernels/contract/affine.ts'
import { fixAffine } from '../fix-affine.ts'
import type { Grid } from '../grid.ts'
import { parseSettings } from '../parse-settings.ts'
import type { AxisChoice } from '../recipe.ts'

interface AffineSettings {
  readonly bits: number
  readonly group: number | 'channel' | 'tensor'
  readonly isSymmetric: boolean
  /** Whether each group's range may be narrowed for the sake of the weights inside it; the rule is at `clipSteps`. */
  readonly clip: 'none' | 'mse'
}

/** The settings as the kernels name them. */
function fitOf({ bits, group, isSymmetric, clip }: AffineSettings): AffineFit {
  return { bits, isSymmetric, group: group === 'channel' ? 'row' : group, clip }
}

const smallestGroup = 16
const largestGroup = 256
/** Few enough weights that one outer one spoils little; llama.cpp's blocks have as many. */
const gentleGroup = 32

const schema = v.strictObject({
  kind: v.literal('affine'),
  bits: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(8)),
  group: v.union([v.pipe(v.number(), v.integer(), v.minValue(smallestGroup), v.maxValue(largestGroup)), v.picklist(['channel', 'tensor'])]),
  symmetric: v.optional(v.boolean(), false),
  clip: v.optional(v.picklist(['none', 'mse']), 'none'),
})

/** Uniform integers with a scale and a zero point; formulas in `kernels/contract/affine.ts`. */
const affine: Grid<AffineSettings> = {
  kind: 'affine',
  title: 'Affine integers',
  explanation: 'Evenly spaced values: a scale and a zero point for each group of weights. What GPTQ and AWQ files hold.',
  order: 1,
  isNamedAlone: false,
  fields: [
    {
      key: 'bits',
      label: 'Bits',
      input: 'choice',
      options: [8, 7, 6, 5, 4, 3, 2].map((bits) => ({ value: bits, label: `${bits} bit` })),
      default: 4,
    },
    {
      key: 'group',
      label: 'Weights that share a scale',
      input: 'choice',
      options: [
        ...[16, 32, 64, 128, 256].map((group) => ({ value: group, label: `groups of ${group}` })),
        { value: 'channel', label: 'a whole row' },
        { value: 'tensor', label: 'the whole matrix' },
      ],
      default: 32,
    },
    {
      key: 'symmetric',
      label: 'Range',
      input: 'choice',
      options: [
        { value: false, label: 'from the least to the greatest weight' },
        { value: true, label: 'the same on both sides of zero' },
      ],
      default: false,
    },
    {
      key: 'clip',
      label: 'Outermost weights',
      input: 'choice',
      options: [
        { value: 'none', label: 'are kept in the range' },
        { value: 'mse', label: 'are clipped where the rest gains more (MSE)' },
      ],
      default: 'none',
    },
  ],
  exampleLabels: [2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
    ['g16', 'g32', 'g64', 'g128', 'g256', 'channel', 'tensor'].flatMap((group) =>
      ['', '-sym', '-mse', '-sym-mse']
        .map((suffix) => `${bits}bit-${group}${suffix}`)
        .filter((label) => !label.includes('tensor') || !label.includes('mse')),
    ),
  ),
  parse(choice) {
    const { bits, group, symmetric, clip } = parseSettings(schema, choice, {
      of: 'the affine grid',
      remedy: `Use bits 2 to 8, group ${smallestGroup} to ${largestGroup}, "channel" or "tensor", symmetric true or false, and clip "none" or "mse".`,
    })
    return { bits, group, isSymmetric: symmetric, clip }
  },
  label({ bits, group, isSymmetric, clip }) {
    const span = typeof group === 'number' ? `g${group}` : group
    return `${bits}bit-${span}${isSymmetric ? '-sym' : ''}${clip === 'mse' ? '-mse' : ''}`
  },
  describe({ bits, group, isSymmetric, clip }) {
    const span = typeof group === 'number' ? `groups of ${group}` : group === 'channel' ? 'one scale a row' : 'one scale a matrix'
    return `affine ${bits} bit${isSymmetric ? ' symmetric' : ''}, ${span}${clip === 'mse' ? ', clipped by MSE' : ''}`
  },
  fromLabel(label) {
    const match = /^([1-9]\d*)bit-(?:g([1-9]\d*)|(channel|tensor))(-sym)?(-mse)?$/.exec(label)
    if (match === null) return null
    const [, bits, size, named, symmetric, clip] = match
    const choice: AxisChoice = {
      kind: 'affine',
      bits: Number(bits),
      group: named ?? Number(size),
      symmetric: symmetric !== undefined,
      ...(clip === undefined ? {} : { clip: 'mse' }),
    }
    return v.is(schema, choice) ? choice : null
  },
  // Scales come from the least and the greatest weight.
  importanceUse: () => 'ignored',
  rangeColumns({ columns }, { group, clip }) {
    if (clip !== 'none' || group === 'tensor') return null
    return group === 'channel' ? columns : group
  },
  // Zero points are whole numbers, and every range includes 0.
  keepsZero: () => true,
  encoding(_shape, { bits, group, isSymmetric }) {
    return { encoding: 'affine', bits, isSymmetric, group: group === 'channel' ? 'row' : group }
  },
  // A group wider than the row is one short group a row.
  supports: (_shape, { group, clip }) =>
    group !== 'tensor' || clip === 'none' || 'The clip search goes by row or group; for one scale a matrix choose no clipping.',
  values(limit, { bits, isSymmetric }) {
    const top = 2 ** bits - 1
    const zero = isSymmetric ? 2 ** (bits - 1) : top / 2
    const scale = (2 * limit) / top
    return Array.from({ length: top + 1 }, (_, code) => (code - zero) * scale)
  },
  gentler({ bits, group, isSymmetric, clip }) {
    const same: AxisChoice = { kind: 'affine', bits, group, symmetric: isSymmetric, ...(clip === 'none' ? {} : { clip }) }
    const isWide = typeof group !== 'number' || group > gentleGroup
    return [
      ...(clip === 'none' && group !== 'tensor' ? [{ choice: { ...same, clip: 'mse' }, label: 'Clip the range' }] : []),
      ...(isWide ? [{ choice: { ...same, group: gentleGroup }, label: `Groups of ${gentleGroup}` }] : []),
    ]
  },
  quantizeStored(name, source, { settings, kernels, signal }) {
    // Its range is that of all rows.
    if (settings.group === 'tensor') return null
    return kernels.quantizeStoredAffine(source, fitOf(settings), signal).then(({ affine, sums }) => ({
      tensor: { name, rows: source.rows, columns: source.columns, encoding: 'affine', affine },
      sums,
    }))
  },
  async quantizeNearest(name, weight, { settings, kernels, signal }) {
    const tensor = await kernels.quantizeAffine(weight, fitOf(settings), signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'affine', affine: tensor }
  },
  fixed(name, weight, { settings, ...options }) {
    return fixAffine(name, weight, fitOf(settings), options)
  },
}

export default affine
