import { gptqTarget } from '../gptq/gptq-target.ts'

/** The same folder with zero points as they are, so that asymmetric groups need no wrapping. */
export default gptqTarget('gptq_v2', {
  id: 'gptq-v2',
  title: 'GPTQ v2',
  explanation: 'The GPTQ layout with plain zero points (gptq_v2), for transformers with GPTQModel: best for asymmetric recipes.',
  zeroPointNote: null,
})
