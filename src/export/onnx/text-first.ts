import type { GraphBuilder } from '../../formats/onnx/builder.ts'
import { decoderNames } from './decoder-names.ts'

/** A batch as the attention operator wants it: every text begins at the first column, padding follows. */
export interface TextFirst {
  /** Token ids [batch, length] in that order. */
  readonly ids: string
  /** Columns 0, 1 … length - 1, int64 [length]. */
  readonly columns: string
  /** int64 [1]. */
  readonly length: string
  /** Rows of `hidden`, [batch, length, width], back in the order of the input. */
  restore(hidden: string, width: number): string
}

/**
 * Turns every row of the new tokens by the padding on its left. `GroupQueryAttention` takes the last position that counts and no
 * mask, so it can leave out the end of a row but not its beginning; its cache then holds every text from the first column on.
 * Rows that are padded on the right, or not at all, stay as they are.
 */
export function textFirst(builder: GraphBuilder): TextFirst {
  const shape = builder.node('Shape', [decoderNames.inputIds])
  const batch = builder.node('Slice', [shape, builder.integers([0]), builder.integers([1])])
  const length = builder.node('Slice', [shape, builder.integers([1]), builder.integers([2])])
  const range = (end: string, step: string): string =>
    builder.node('Range', [builder.constant(BigInt64Array.of(0n), []), builder.node('Squeeze', [end]), builder.node('Squeeze', [step])])
  const columns = range(length, builder.integers([1]))
  const ends = [builder.integers([Number.MAX_SAFE_INTEGER]), builder.integers([1])]
  const mask = builder.node('Slice', [decoderNames.attentionMask, builder.node('Neg', [length]), ...ends])
  // [batch, 1]: the first one of each row.
  const padding = builder.node('ArgMax', [mask], { axis: { int: 1 }, keepdims: { int: 1 } })
  const turned = builder.node('Mod', [builder.node('Add', [columns, padding]), length])
  return {
    ids: builder.node('GatherElements', [decoderNames.inputIds, turned], { axis: { int: 1 } }),
    columns,
    length,
    restore(hidden, width) {
      const back = builder.node('Mod', [builder.node('Add', [builder.node('Sub', [columns, padding]), length]), length])
      const rowStarts = builder.node('Unsqueeze', [range(builder.node('Mul', [batch, length]), length), builder.integers([1])])
      const flat = builder.node('Reshape', [hidden, builder.integers([-1, width])])
      return builder.node('Gather', [flat, builder.node('Add', [back, rowStarts])], { axis: { int: 0 } })
    },
  }
}
