import type { GgmlType } from '../../kernels/contract/ggml.ts'
import type { BlockLayout } from './block-layout.ts'
import { iq4_nl, iq4_xs, mxfp4, nvfp4 } from './level-blocks.ts'
import { q4_0, q4_1, q5_0, q5_1, q8_0 } from './small-blocks.ts'
import { q2_k, q3_k, q4_k, q5_k, q6_k, tq2_0 } from './super-blocks.ts'

/** Types whose scales can be kept while codes are chosen anew. F32 and F16 have none; in TQ1_0 five codes share a byte. */
export const blockLayouts: Readonly<Partial<Record<GgmlType, BlockLayout>>> = {
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q2_K: q2_k,
  Q3_K: q3_k,
  Q4_K: q4_k,
  Q5_K: q5_k,
  Q6_K: q6_k,
  IQ4_NL: iq4_nl,
  IQ4_XS: iq4_xs,
  MXFP4: mxfp4,
  NVFP4: nvfp4,
  TQ2_0: tq2_0,
}
