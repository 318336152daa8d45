/** Names that transformers.js and onnxruntime-genai look for. */
export const decoderNames = {
  inputIds: 'input_ids',
  attentionMask: 'attention_mask',
  /** Where the graph takes positions from outside. */
  positionIds: 'position_ids',
  logits: 'logits',
  pastKey: (layer: number | '%d'): string => `past_key_values.${layer}.key`,
  pastValue: (layer: number | '%d'): string => `past_key_values.${layer}.value`,
  presentKey: (layer: number | '%d'): string => `present.${layer}.key`,
  presentValue: (layer: number | '%d'): string => `present.${layer}.value`,
} as const

export const ropeNames = { cosine: 'cos_cache', sine: 'sin_cache' } as const
