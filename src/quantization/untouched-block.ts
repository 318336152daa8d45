import type { BlockTensors, TransformedBlock } from './transform.ts'

/** A block that no transform changed. */
export function untouchedBlock(tensors: BlockTensors): TransformedBlock {
  return {
    tensors,
    activationsOf: (_tap, seen) => seen,
    importanceOf: (_tap, importance) => importance,
    restore: (_role, values) => values,
    modes: {},
    findings: new Map(),
  }
}
