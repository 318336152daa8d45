import type { Checkpoint } from '../../checkpoint/checkpoint.ts'
import { type EncodedMetadata, encodeMetadata } from '../../formats/gguf/layout.ts'
import type { GgufEntry, GgufValue } from '../../formats/gguf/types.ts'
import type { GgmlType } from '../../kernels/contract/ggml.ts'
import { roundings } from '../../quantization/registry.ts'
import type { ExportFacts } from '../target.ts'
import type { PlannedTensor } from './tensors.ts'
import { type TokenizerMetadata, tokenizerMetadata } from './tokenizer.ts'

/**
 * `general.file_type`, llama.cpp's `llama_ftype`, by the type of most weights. Where a family of mixes shares a type it is the one
 * that llama.cpp's own loader guesses from the tensors (`llama_model_loader`): the middle one.
 */
const fileTypes: Readonly<Record<GgmlType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K: 12,
  Q4_K: 15,
  Q5_K: 17,
  Q6_K: 18,
  IQ2_XXS: 19,
  IQ2_XS: 20,
  IQ3_XXS: 23,
  IQ1_S: 24,
  IQ4_NL: 25,
  IQ3_S: 26,
  IQ2_S: 28,
  IQ4_XS: 30,
  IQ1_M: 31,
  TQ1_0: 36,
  TQ2_0: 37,
  MXFP4: 38,
  NVFP4: 39,
}

/** `GGML_QNT_VERSION`, of the block layouts. */
const quantizationVersion = 2

/** Name of the model alone, without the owner that a Hub id carries. */
export function modelName(checkpoint: Checkpoint): string {
  return checkpoint.name.split('/').at(-1) ?? checkpoint.name
}

/** Everything but the tokenizer: keys of gguf.md section 7, as convert_hf_to_gguf.py writes them. */
export function modelEntries(checkpoint: Checkpoint, tensors: readonly PlannedTensor[]): GgufEntry[] {
  const { config } = checkpoint.graph
  const family = checkpoint.family.gguf
  const { architecture } = family
  const own: Record<string, GgufValue> = {
    block_count: { type: 'u32', value: config.layers },
    context_length: { type: 'u32', value: config.maxPositions },
    embedding_length: { type: 'u32', value: config.hidden },
    feed_forward_length: { type: 'u32', value: config.intermediate },
    'attention.head_count': { type: 'u32', value: config.heads },
    'attention.head_count_kv': { type: 'u32', value: config.kvHeads },
    'attention.key_length': { type: 'u32', value: config.headDim },
    'attention.value_length': { type: 'u32', value: config.headDim },
    'attention.layer_norm_rms_epsilon': { type: 'f32', value: Math.fround(config.normEps) },
    'rope.freq_base': { type: 'f32', value: Math.fround(config.ropeTheta) },
  }
  for (const [key, type, value] of family.keys(config)) own[key] = { type, value: type === 'f32' ? Math.fround(Number(value)) : value }
  return [
    { key: 'general.architecture', value: { type: 'string', value: architecture } },
    { key: 'general.type', value: { type: 'string', value: 'model' } },
    { key: 'general.name', value: { type: 'string', value: modelName(checkpoint) } },
    { key: 'general.file_type', value: { type: 'u32', value: fileTypes[commonestType(tensors)] } },
    { key: 'general.quantization_version', value: { type: 'u32', value: quantizationVersion } },
    ...Object.entries(own).map(([key, value]) => ({ key: `${architecture}.${key}`, value })),
  ]
}

/** llama-quantize's own limit on strings it adds. */
const longestProvenance = 127

/** What llama-quantize records of an importance matrix; nothing for recipes that used none. */
export function importanceEntries({ recipe, importance }: ExportFacts): GgufEntry[] {
  if (importance === null || !roundings.get(recipe.rounding.kind).givesImportance) return []
  const text = (value: string): GgufValue => ({ type: 'string', value: value.slice(0, longestProvenance) })
  const dataset = importance.dataset === '' ? [] : [{ key: 'quantize.imatrix.dataset', value: text(importance.dataset) }]
  const chunks: GgufEntry[] =
    importance.chunks > 0 ? [{ key: 'quantize.imatrix.chunks_count', value: { type: 'u32', value: importance.chunks } }] : []
  return [
    { key: 'quantize.imatrix.file', value: text(importance.fileName) },
    ...dataset,
    { key: 'quantize.imatrix.entries_count', value: { type: 'u32', value: importance.entries } },
    ...chunks,
  ]
}

/** Type of most weights in the blocks; embedding and head do not name a file. */
export function commonestType(tensors: readonly PlannedTensor[]): GgmlType {
  const counts = new Map<GgmlType, number>()
  for (const { spec } of tensors) {
    if (!spec.name.startsWith('blk.') || spec.shape.length < 2) continue
    const elements = spec.shape.reduce((product, extent) => product * extent, 1)
    counts.set(spec.type, (counts.get(spec.type) ?? 0) + elements)
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'F16'
}

const tokenizers = new WeakMap<Checkpoint, { readonly metadata: TokenizerMetadata; readonly encoded: EncodedMetadata | null }>()

/** The tokenizer's part, worked out once a checkpoint: layouts are asked for while a recipe is edited. */
export function tokenizerPart(checkpoint: Checkpoint): { readonly metadata: TokenizerMetadata; readonly encoded: EncodedMetadata | null } {
  const known = tokenizers.get(checkpoint)
  if (known !== undefined) return known
  const metadata = tokenizerMetadata({
    files: checkpoint.tokenizerFiles,
    rawConfig: checkpoint.rawConfig,
    vocabularySize: checkpoint.graph.config.vocab,
  })
  const part = { metadata, encoded: 'refusal' in metadata ? null : encodeMetadata(metadata.entries) }
  tokenizers.set(checkpoint, part)
  return part
}
