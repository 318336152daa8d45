import type { Checkpoint } from '../../checkpoint/checkpoint.ts'
import type { ExportedFile } from '../target.ts'
import { jsonFile, sharedJsonFile, textFile } from '../text-files.ts'
import { decoderNames } from './decoder-names.ts'

export interface OnnxFiles {
  /** `onnx/model_q4.onnx`. */
  readonly modelPath: string
  /** `dtype` of transformers.js that finds it. */
  readonly dtype: string
  readonly dataFiles: number
  /** Whether attention finds positions and lengths by itself, and so can go on in one buffer (`GroupQueryAttention`). */
  readonly findsPositions: boolean
}

/** Everything beside the graph and its weights that transformers.js and onnxruntime-genai read. */
export function companionFiles(checkpoint: Checkpoint, files: OnnxFiles): ExportedFile[] {
  const { tokenizerJson, tokenizerConfig, generationConfig, chatTemplate } = checkpoint.tokenizerFiles
  const isTemplateInside = 'chat_template' in tokenizerConfig
  return [
    jsonFile('config.json', transformersConfig(checkpoint, files)),
    jsonFile('genai_config.json', genaiConfig(checkpoint, files)),
    sharedJsonFile('tokenizer.json', tokenizerJson),
    sharedJsonFile('tokenizer_config.json', tokenizerConfig),
    ...(generationConfig === null ? [] : [sharedJsonFile('generation_config.json', generationConfig)]),
    ...(chatTemplate === null || isTemplateInside ? [] : [textFile('chat_template.jinja', chatTemplate)]),
  ]
}

/** The model's own config with what transformers.js needs to find the files without being told. */
function transformersConfig({ rawConfig }: Checkpoint, { modelPath, dtype, dataFiles }: OnnxFiles): Record<string, unknown> {
  const file = modelPath.slice(modelPath.lastIndexOf('/') + 1)
  return { ...rawConfig, 'transformers.js_config': { dtype, use_external_data_format: { [file]: dataFiles } } }
}

/** As `onnxruntime-genai`'s model builder writes it (src/python/py/models/builders/base.py). */
function genaiConfig({ graph, rawConfig }: Checkpoint, { modelPath, findsPositions }: OnnxFiles): Record<string, unknown> {
  const { config } = graph
  const [firstEnd, ...otherEnds] = config.eosTokenIds
  const end = otherEnds.length > 0 ? config.eosTokenIds : (firstEnd ?? 0)
  const padding = rawConfig['pad_token_id']
  return {
    model: {
      bos_token_id: config.bosTokenId ?? firstEnd ?? 0,
      context_length: config.positions,
      decoder: {
        session_options: { log_id: 'onnxruntime-genai', provider_options: [] },
        filename: modelPath,
        head_size: config.headDim,
        hidden_size: config.hidden,
        inputs: {
          input_ids: decoderNames.inputIds,
          attention_mask: decoderNames.attentionMask,
          ...(findsPositions ? {} : { position_ids: decoderNames.positionIds }),
          past_key_names: decoderNames.pastKey('%d'),
          past_value_names: decoderNames.pastValue('%d'),
        },
        outputs: {
          logits: decoderNames.logits,
          present_key_names: decoderNames.presentKey('%d'),
          present_value_names: decoderNames.presentValue('%d'),
        },
        num_attention_heads: config.heads,
        num_hidden_layers: config.layers,
        num_key_value_heads: config.kvHeads,
      },
      eos_token_id: end,
      pad_token_id: typeof padding === 'number' ? padding : (firstEnd ?? 0),
      type: graph.familyId,
      vocab_size: config.vocab,
    },
    search: {
      diversity_penalty: 0,
      do_sample: false,
      early_stopping: true,
      length_penalty: 1,
      max_length: config.positions,
      min_length: 0,
      no_repeat_ngram_size: 0,
      num_beams: 1,
      num_return_sequences: 1,
      past_present_share_buffer: findsPositions,
      repetition_penalty: 1,
      temperature: 1,
      top_k: 50,
      top_p: 1,
    },
  }
}
