import { prune } from '../pruning/mask.ts'
import { keepsPruned, magnitudes, prunedBlock, prunedNames } from '../pruning/pruned-block.ts'
import { type PruningSettings, parsePruning, pruningFields, pruningFromLabel, pruningLabel } from '../pruning/settings.ts'
import type { Transform } from '../transform.ts'

const kind = 'prune'

/** Magnitude pruning (Han et al. 2015): the smallest weights of each matrix become 0. */
const magnitude: Transform<PruningSettings> = {
  kind,
  order: 5,
  title: 'Pruning by magnitude',
  explanation: 'The smallest weights of each matrix become 0 and stay 0 on the grid. Needs no text; loses much from about a half on.',
  fields: pruningFields,
  parse: (choice) => parsePruning(kind, choice),
  label: (settings) => pruningLabel(kind, settings),
  fromLabel: (label) => pruningFromLabel(kind, label),
  supports: () => true,
  supportsGrid: keepsPruned,
  needsInputs: false,
  roundsInputs: () => false,
  changes: prunedNames,
  operations: () => 0,
  apply: async (block, tensors, { settings }) =>
    prunedBlock(block, tensors, (_linear, weight) => prune(weight, magnitudes(weight), settings, 'matrix')),
}

export default magnitude
