/** How a byte-level tokenizer cuts text before it merges, as llama.cpp has it built in (`llama-vocab.cpp`). */
export interface PreTokenizerSignature {
  /** `tokenizer.ggml.pre`. */
  readonly pre: string
  /** Components before the final ByteLevel: a regex of a Split, or `digits`. */
  readonly steps: readonly string[]
  /** Whether ByteLevel itself splits by the GPT-2 pattern. */
  readonly byteLevelSplits: boolean
  /** Whether llama.cpp takes a whole piece found in the vocabulary without merging, as `ignore_merges` says. */
  readonly ignoresMerges: boolean
}

const afterContractions = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
/** Two spellings of the same contractions: tokenizer.json of Llama 3 and Qwen 2, and llama.cpp's own. */
const contractions = [
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`,
  String.raw`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|`,
]
const threeDigits = contractions.map((start) => String.raw`${start}\p{N}{1,3}${afterContractions}`)
const singleDigits = contractions.map((start) => String.raw`${start}\p{N}${afterContractions}`)
const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
/** Mistral Nemo. */
const tekken =
  String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*` +
  String.raw`|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

/** Names in use; where two spellings mean the same, the first is the one that models come with. */
export const preTokenizers: readonly PreTokenizerSignature[] = [
  { pre: 'gpt-2', steps: [], byteLevelSplits: true, ignoresMerges: false },
  { pre: 'gpt-2', steps: [gpt2], byteLevelSplits: false, ignoresMerges: false },
  { pre: 'smollm', steps: ['digits'], byteLevelSplits: true, ignoresMerges: false },
  ...threeDigits.flatMap((step) => [
    { pre: 'llama-bpe', steps: [step], byteLevelSplits: false, ignoresMerges: true },
    { pre: 'dbrx', steps: [step], byteLevelSplits: false, ignoresMerges: false },
  ]),
  ...singleDigits.map((step) => ({ pre: 'qwen2', steps: [step], byteLevelSplits: false, ignoresMerges: false })),
  { pre: 'tekken', steps: [tekken], byteLevelSplits: false, ignoresMerges: true },
]
