import { type GgmlType, ggmlBytes } from './contract/ggml.ts'
import { dequantizeGgml } from './reference/ggml/index.ts'

/**
 * Weights of whole rows of ggml blocks, f32, in the calling thread: what a checkpoint in blocks stands for. Exact, so every
 * backend would give the same.
 */
export function ggmlValues(blocks: Uint8Array<ArrayBuffer>, columns: number, type: GgmlType): Float32Array<ArrayBuffer> {
  return dequantizeGgml(blocks, { rows: blocks.length / ggmlBytes(type, 1, columns), columns }, type)
}
