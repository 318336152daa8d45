import type { Transform } from '../transform.ts'
import { keepsPruned, prunedNames } from './pruned-block.ts'
import { type PruningSettings, parsePruning, pruningFields, pruningFromLabel, pruningLabel } from './settings.ts'

/** A pruning transform but for what tells it from the others: its words, what it needs, and the weights it chooses. */
export function pruning(kind: string): Omit<Transform<PruningSettings>, 'order' | 'title' | 'explanation' | 'needsInputs' | 'apply'> {
  return {
    kind,
    fields: pruningFields,
    parse: (choice) => parsePruning(kind, choice),
    label: (settings) => pruningLabel(kind, settings),
    fromLabel: (label) => pruningFromLabel(kind, label),
    supports: () => true,
    supportsGrid: keepsPruned,
    roundsInputs: () => false,
    changes: prunedNames,
    operations: () => 0,
  }
}
