import { learnLayer } from '../feedback/learn-layer.ts'
import { type LearnedSettings, learnedFields, learnedFromLabel, learnedLabel, parseLearned } from '../feedback/learned-settings.ts'
import { feedbackBytes } from '../feedback/work-bytes.ts'
import type { Rounding } from '../rounding.ts'

/** Learned rounding, of the kind of AdaRound and AutoRound, with the layer's exact loss; see `kernels/contract/descent.ts`. */
const learned: Rounding<LearnedSettings> = {
  kind: 'learned',
  order: 4,
  title: 'Learned rounding',
  explanation:
    "From GPTQ's codes on, each weight learns whether its neighbour suits the calibration text better, and scales follow. Slower, never worse.",
  fields: learnedFields,
  parse: parseLearned,
  label: learnedLabel,
  fromLabel: learnedFromLabel,
  suffix: learnedLabel,
  fromSuffix: learnedFromLabel,
  // As with error feedback: a whole recipe on a grid without scales would only pretend to be calibrated.
  supports(grid, _settings, { gridSettings, place }) {
    if (grid.fixed === undefined) return `${grid.label(gridSettings)} cannot learn its codes: its values are not known beforehand.`
    return place === 'tensor' ? true : (grid.canFix?.(gridSettings) ?? true)
  },
  needsActivations: 'own',
  givesImportance: true,
  isTrueSequential: () => true,
  needsCrossTerm: (settings) => settings.hasCrossTerm,
  // Descent needs G where the sweep needed its factor, and the search for scales all of G; beside them the values before and after,
  // their transpose, their products with G as they are and as they become, and nearest rounding to compare with.
  workBytes: (shape, threads, { hasCrossTerm }) =>
    feedbackBytes(shape, threads, hasCrossTerm) + 4 * shape.columns ** 2 + shape.rows * shape.columns * 6 * 4,
  quantize: learnLayer,
}

export default learned
