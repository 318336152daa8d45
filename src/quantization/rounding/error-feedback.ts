import { roundLayer } from '../feedback/round-layer.ts'
import { type FeedbackSettings, feedbackFields, feedbackFromLabel, feedbackLabel, parseFeedback } from '../feedback/settings.ts'
import type { Rounding } from '../rounding.ts'

/** GPTQ (Frantar et al. 2022) on every grid whose values are known before a weight is rounded; see `kernels/contract/feedback.ts`. */
const errorFeedback: Rounding<FeedbackSettings> = {
  kind: 'gptq',
  title: 'Error feedback (GPTQ)',
  explanation: 'Column by column; what one column loses, the columns after it make up for on the calibration text.',
  fields: feedbackFields,
  parse: parseFeedback,
  label: feedbackLabel,
  fromLabel: feedbackFromLabel,
  supports: (grid) =>
    grid.fixed === undefined ? `${grid.title} cannot be rounded with error feedback: its values follow from all weights together` : true,
  needsActivations: true,
  quantize: roundLayer,
}

export default errorFeedback
