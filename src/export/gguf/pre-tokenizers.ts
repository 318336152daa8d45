import { preTokenizers } from '../../formats/gguf/pre-tokenizers.ts'
import { type Component, componentsOf, regexOf, type TokenizerJson } from './tokenizer-json.ts'

/** What comes before BPE merging, in llama.cpp's names (`llama-vocab.cpp`), or why it has none. */
export type PreTokenizer = { readonly pre: string } | { readonly refusal: string }

/**
 * llama.cpp's name for the way a byte-level tokenizer cuts text, from the `pre_tokenizer` of tokenizer.json. The runtime
 * has the patterns built in, so an unknown one is refused: under a wrong name the file would load and read text differently.
 */
export function preTokenizerOf(tokenizer: TokenizerJson): PreTokenizer {
  const components = componentsOf(tokenizer.pre_tokenizer, 'pretokenizers')
  const byteLevel = components.at(-1)
  if (byteLevel?.type !== 'ByteLevel') return refuse(`it ends in ${byteLevel?.type ?? 'nothing'} where ByteLevel is expected`)
  if (byteLevel['add_prefix_space'] === true) return refuse('it puts a space in front of every text')
  const steps: string[] = []
  for (const component of components.slice(0, -1)) {
    const step = stepOf(component)
    if (step === null) return refuse(`its step ${component.type} has settings without a counterpart there`)
    steps.push(step)
  }
  const byteLevelSplits = byteLevel['use_regex'] !== false
  const ignoresMerges = tokenizer.model.ignore_merges === true
  const found = preTokenizers.find(
    (each) =>
      each.byteLevelSplits === byteLevelSplits &&
      each.ignoresMerges === ignoresMerges &&
      each.steps.length === steps.length &&
      each.steps.every((step, index) => step === steps[index]),
  )
  if (found !== undefined) return { pre: found.pre }
  const pattern = steps.length === 0 ? 'the GPT-2 pattern' : `the pattern ${steps.join(' then ').slice(0, 120)}`
  return refuse(`${pattern}${ignoresMerges ? ' with ignore_merges' : ''} is not among the ones known here`)
}

function stepOf(component: Component): string | null {
  if (component.type === 'Digits') return component['individual_digits'] === true ? 'digits' : null
  if (component.type !== 'Split') return null
  const isPlain = component['behavior'] === 'Isolated' && component['invert'] !== true
  return isPlain ? regexOf(component) : null
}

function refuse(reason: string): PreTokenizer {
  return { refusal: `llama.cpp has no name for how this tokenizer cuts text: ${reason}. A GGUF would read text differently.` }
}
