import type { Transform } from '../transform.ts'
import { untouchedBlock } from '../untouched-block.ts'
import { parseWithoutSettings } from '../without-settings.ts'

const none: Transform<null> = {
  kind: 'none',
  title: 'None',
  explanation: 'The weights are quantized as they are.',
  order: 1,
  fields: [],
  parse: (choice) => parseWithoutSettings('the transform "none"', choice),
  label: () => '',
  fromLabel: () => null,
  supports: () => true,
  needsInputs: false,
  roundsInputs: () => false,
  changes: () => [],
  operations: () => 0,
  apply: async (_block, tensors) => untouchedBlock(tensors),
}

export default none
