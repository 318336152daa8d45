import { prune } from '../pruning/mask.ts'
import { magnitudes, prunedBlock } from '../pruning/pruned-block.ts'
import { pruning } from '../pruning/pruning.ts'
import type { PruningSettings } from '../pruning/settings.ts'
import type { Transform } from '../transform.ts'

/** Magnitude pruning (Han et al. 2015): the smallest weights of each matrix become 0. */
const magnitude: Transform<PruningSettings> = {
  ...pruning('prune'),
  order: 5,
  title: 'Pruning by magnitude',
  explanation: 'The smallest weights of each matrix become 0 and stay 0 on the grid. Needs no text; loses much from about a half on.',
  needsInputs: false,
  apply: async (block, tensors, { settings }) =>
    prunedBlock(block, tensors, (_linear, weight) => prune(weight, magnitudes(weight), settings, 'matrix')),
}

export default magnitude
