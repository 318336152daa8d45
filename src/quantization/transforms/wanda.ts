import { prune } from '../pruning/mask.ts'
import { magnitudes, prunedBlock } from '../pruning/pruned-block.ts'
import { pruning } from '../pruning/pruning.ts'
import type { PruningSettings } from '../pruning/settings.ts'
import { unusableInputs } from '../scaling/unusable-inputs.ts'
import type { Transform } from '../transform.ts'

/** Wanda (Sun et al. 2023): in each row the weights with the least |w| * |x| become 0, |x| being the norm of the input column. */
const wanda: Transform<PruningSettings> = {
  ...pruning('wanda'),
  order: 6,
  title: 'Pruning by weights and inputs (Wanda)',
  explanation: 'In each row the weights that matter least for the inputs of the calibration text become 0 and stay 0 on the grid.',
  needsInputs: true,

  apply: async (block, tensors, { settings, inputs }) =>
    prunedBlock(block, tensors, ({ tap }, weight, tell) => {
      const seen = inputs.get(tap)
      const scores = magnitudes(weight)
      if (seen === undefined) return prune(weight, scores, settings, 'row')
      const finding = unusableInputs(seen)
      if (finding !== null) {
        tell({ ...finding, tried: 'The linear was pruned by magnitude.' })
        return prune(weight, scores, settings, 'row')
      }
      // The mean instead of the sum of squares scales every score of a row alike.
      const norms = seen.meanSquare.map(Math.sqrt)
      for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] ?? 0) * (norms[i % weight.columns] ?? 0)
      return prune(weight, scores, settings, 'row')
    }),
}

export default wanda
