import type { Transform } from '../transform.ts'
import { parseWithoutSettings } from '../without-settings.ts'

const none: Transform<null> = {
  kind: 'none',
  title: 'None',
  explanation: 'The weights are quantized as they are.',
  order: 1,
  fields: [],
  parse: (choice) => parseWithoutSettings('the transform "none"', choice),
  label: () => '',
  supports: () => true,
  apply: async (_block, tensors) => tensors,
}

export default none
