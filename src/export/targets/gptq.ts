import { gptqTarget } from '../gptq/gptq-target.ts'

/** The layout of AutoGPTQ and GPTQModel: a folder as on the Hub. */
export default gptqTarget('gptq', {
  id: 'gptq',
  title: 'GPTQ',
  explanation: 'A folder in the GPTQ layout, for transformers with GPTQModel, vLLM and ExLlama.',
  zeroPointNote:
    'Zero points are stored minus one (checkpoint_format gptq), so a zero point of 0 wraps around. Readers that do not wrap back misread such groups; symmetric recipes have none, and gptq-v2 stores them as they are.',
})
