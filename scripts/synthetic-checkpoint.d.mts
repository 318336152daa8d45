export interface SyntheticShape {
  hidden: number
  intermediate: number
  layers: number
  heads: number
  kvHeads: number
  vocab: number
}
export const shapes: Record<'tiny' | 'block14' | 'tinyllama', SyntheticShape>
export function makeSyntheticCheckpoint(options: {
  out: string
  shape?: SyntheticShape
  shards?: number
  seed?: number
  dtype?: 'BF16' | 'F32'
  config?: Record<string, unknown>
}): { bytes: number; parameters: number; files: string[] }
