import { StudioError } from '../../core/errors.ts'
import type { GgufLayout } from './layout.ts'
import { alignUp, type GgufTensorInfo } from './types.ts'

/** A tensor's bytes in order, in pieces of any size; together exactly `sizeBytes`. */
export type TensorBytes = (tensor: GgufTensorInfo, index: number) => AsyncIterable<Uint8Array<ArrayBuffer>>

/**
 * The file in order: header, then each tensor with its zero padding. Holds one piece at a time. Throws `StudioError`
 * `internal` when a tensor gives more or fewer bytes than the layout says; nothing after it is produced.
 */
export async function* writeGguf(layout: GgufLayout, bytesOf: TensorBytes): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  yield layout.header()
  for (const [index, tensor] of layout.tensors.entries()) {
    let written = 0
    for await (const piece of bytesOf(tensor, index)) {
      written += piece.length
      if (written > tensor.sizeBytes) break
      yield piece
    }
    if (written !== tensor.sizeBytes) {
      throw new StudioError('internal', {
        title: 'A tensor does not have the size it was planned with',
        message: `${tensor.name} takes ${tensor.sizeBytes} bytes in the plan, but ${written} came.`,
        remedy: 'The file was not finished. Run the recipe again, then export again.',
      })
    }
    const padding = alignUp(tensor.sizeBytes, layout.alignment) - tensor.sizeBytes
    if (padding > 0) yield new Uint8Array(padding)
  }
}
