/** Roles of a block's tensors to llama.cpp's names (gguf-py `tensor_mapping.py`). */
export const linearNames: Readonly<Record<string, string>> = {
  q: 'attn_q',
  k: 'attn_k',
  v: 'attn_v',
  o: 'attn_output',
  gate: 'ffn_gate',
  up: 'ffn_up',
  down: 'ffn_down',
}
export const normNames: Readonly<Record<string, string>> = { attnIn: 'attn_norm', mlpIn: 'ffn_norm' }

/** Name of a linear's weight in GGUF files, imatrix files among them. */
export function linearWeightName(block: number, role: string): string {
  return `${linearPrefix(block, role)}.weight`
}

export function linearPrefix(block: number, role: string): string {
  return `blk.${block}.${linearNames[role] ?? role}`
}
