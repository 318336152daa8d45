import type { ModelGraph } from '../../models/model-graph.ts'
import type { ExportedFile, ExportFacts } from '../target.ts'
import { jsonFile, jsonFileWithFloats, sharedJsonFile, textFile } from '../text-files.ts'

/** What readers compute in: half precision where the scales are halves; `null` leaves the model's own. */
export interface ModelFilesOptions {
  readonly quantization: Readonly<Record<string, unknown>>
  readonly dtype: 'float16' | null
}

/** The small files of a folder as on the Hub: the model's own config.json with the setting inside, and its tokenizer. */
export function modelFiles({ checkpoint, graph }: ExportFacts, options: ModelFilesOptions): ExportedFile[] {
  const { tokenizerJson, tokenizerConfig, generationConfig, chatTemplate } = checkpoint.tokenizerFiles
  const specialTokens = Object.fromEntries(specialTokenKeys.flatMap((key) => (key in tokenizerConfig ? [[key, tokenizerConfig[key]]] : [])))
  const isTemplateInside = 'chat_template' in tokenizerConfig
  return [
    jsonFileWithFloats('config.json', modelConfig({ ...checkpoint.rawConfig, ...headOf(checkpoint.graph, graph) }, options), floatKeys),
    sharedJsonFile('tokenizer.json', tokenizerJson),
    sharedJsonFile('tokenizer_config.json', tokenizerConfig),
    ...(Object.keys(specialTokens).length === 0 ? [] : [jsonFile('special_tokens_map.json', specialTokens)]),
    ...(generationConfig === null ? [] : [sharedJsonFile('generation_config.json', generationConfig)]),
    ...(chatTemplate === null || isTemplateInside ? [] : [textFile('chat_template.jinja', chatTemplate)]),
  ]
}

/** Numbers that readers want as floats, and that may be whole: bitsandbytes' own, and the positions' of the models. */
const floatKeys = ['llm_int8_threshold', 'rope_theta'] as const

/** What special_tokens_map.json holds (transformers, `SPECIAL_TOKENS_ATTRIBUTES`). */
const specialTokenKeys = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
  'additional_special_tokens',
] as const

/** A head that a transform parted from the embedding is said to be a matrix of its own. */
function headOf(own: ModelGraph, { config: { isTied } }: ModelGraph): Record<string, boolean> {
  return own.config.isTied === isTied ? {} : { tie_word_embeddings: isTied }
}

function modelConfig(rawConfig: Readonly<Record<string, unknown>>, { quantization, dtype }: ModelFilesOptions): Record<string, unknown> {
  if (dtype === null) return { ...rawConfig, quantization_config: quantization }
  const { dtype: own, ...rest } = rawConfig
  return { ...rest, torch_dtype: dtype, ...(own === undefined ? {} : { dtype }), quantization_config: quantization }
}
