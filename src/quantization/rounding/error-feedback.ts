import { roundLayer } from '../feedback/round-layer.ts'
import { type FeedbackSettings, feedbackFields, feedbackFromLabel, feedbackLabel, parseFeedback } from '../feedback/settings.ts'
import { feedbackBytes } from '../feedback/work-bytes.ts'
import type { Rounding } from '../rounding.ts'

/** GPTQ (Frantar et al. 2022) on every grid whose values are known before a weight is rounded; see `kernels/contract/feedback.ts`. */
const errorFeedback: Rounding<FeedbackSettings> = {
  kind: 'gptq',
  title: 'Error feedback (GPTQ)',
  explanation: 'Column by column; what one column loses, the columns after it make up for on the calibration text.',
  order: 2,
  fields: feedbackFields,
  parse: parseFeedback,
  label: feedbackLabel,
  fromLabel: feedbackFromLabel,
  suffix: feedbackLabel,
  fromSuffix: feedbackFromLabel,
  // One matrix of a recipe may lie on a grid without scales; a whole recipe would only pretend to be calibrated.
  supports(grid, _settings, { gridSettings, place }) {
    if (grid.fixed === undefined)
      return `${grid.label(gridSettings)} cannot be rounded with error feedback: its values are not known beforehand.`
    return place === 'tensor' ? true : (grid.canFix?.(gridSettings) ?? true)
  },
  needsActivations: 'own',
  givesImportance: true,
  isTrueSequential: (settings) => settings.isTrueSequential,
  needsCrossTerm: (settings) => settings.hasCrossTerm,
  workBytes: (shape, threads, { hasCrossTerm }) => feedbackBytes(shape, threads, hasCrossTerm),
  quantize: roundLayer,
}

export default errorFeedback
