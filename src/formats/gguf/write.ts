import { StudioError } from '../../core/errors.ts'
import type { GgufLayout } from './layout.ts'
import { alignUp, type GgufTensorInfo } from './types.ts'

/** A tensor's bytes in order, in pieces of any size; together exactly `sizeBytes`. */
export type TensorBytes = (tensor: GgufTensorInfo, index: number) => AsyncIterable<Uint8Array<ArrayBuffer>>

/** Bytes of a file and where they lie in it. */
export interface PlacedBytes {
  readonly at: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

/**
 * The file in order: header, then each tensor with its zero padding. Holds one piece at a time. Throws `StudioError`
 * `internal` when a tensor gives more or fewer bytes than the layout says; nothing after it is produced.
 */
export async function* writeGguf(layout: GgufLayout, bytesOf: TensorBytes): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  for await (const { bytes } of completeGguf(layout, bytesOf)) yield bytes
}

/** The same without the tensors that the file holds already: those for which `bytesOf` gives `null`. */
export async function* completeGguf(
  layout: GgufLayout,
  bytesOf: (...args: Parameters<TensorBytes>) => ReturnType<TensorBytes> | null,
): AsyncGenerator<PlacedBytes, void, undefined> {
  yield { at: 0, bytes: layout.header() }
  for (const [index, tensor] of layout.tensors.entries()) {
    const pieces = bytesOf(tensor, index)
    if (pieces !== null) yield* wholeTensor(tensor, pieces)
    const padding = alignUp(tensor.sizeBytes, layout.alignment) - tensor.sizeBytes
    if (padding > 0) yield { at: tensor.offset + tensor.sizeBytes, bytes: new Uint8Array(padding) }
  }
}

async function* wholeTensor(
  { name, offset, sizeBytes }: GgufTensorInfo,
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<PlacedBytes, void, undefined> {
  let written = 0
  for await (const bytes of pieces) {
    if (written + bytes.length <= sizeBytes) yield { at: offset + written, bytes }
    written += bytes.length
    if (written > sizeBytes) break
  }
  if (written === sizeBytes) return
  throw new StudioError('internal', {
    title: 'A tensor does not have the size it was planned with',
    message: `${name} takes ${sizeBytes} bytes in the plan, but ${written} came.`,
    remedy: 'The file was not finished. Run the recipe again, then export again.',
  })
}
