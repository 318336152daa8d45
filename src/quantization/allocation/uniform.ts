import type { Allocation } from '../allocation.ts'
import { parseWithoutSettings } from '../without-settings.ts'

const uniform: Allocation<null> = {
  kind: 'uniform',
  title: 'Uniform',
  explanation: 'Every linear of every block gets the same grid.',
  order: 1,
  fields: [],
  parse: (choice) => parseWithoutSettings('the allocation "uniform"', choice),
  label: () => '',
  gridFor: (_tensor, { base }) => base,
}

export default uniform
