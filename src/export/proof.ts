import { StudioError } from '../core/errors.ts'

/** The fault of a file that does not hold what was stored. `tensor` is the name inside the file. */
export function proofFailed(tensor: string, fact: string): StudioError {
  return new StudioError('proof-failed', {
    title: 'The file does not match what was stored',
    message: `${tensor} ${fact}. The file was removed; nothing was saved. This is usually a storage fault.`,
    remedy: 'Write it again; if it happens twice, choose another place.',
    details: { tensor },
  })
}

/** Compares bit by bit, so that a zero of the other sign or a NaN counts too. `firstElement` is where the piece starts. */
export function proveEqual(tensor: string, written: Float32Array, stored: Float32Array, firstElement = 0): void {
  if (written.length !== stored.length) throw proofFailed(tensor, `has ${written.length} values instead of ${stored.length}`)
  const left = new Uint32Array(written.buffer, written.byteOffset, written.length)
  const right = new Uint32Array(stored.buffer, stored.byteOffset, stored.length)
  for (let i = 0; i < left.length; i++) {
    if (left[i] === right[i]) continue
    throw proofFailed(
      tensor,
      `differs after reading back, first at element ${firstElement + i}: ${written[i] ?? 0} instead of ${stored[i] ?? 0}`,
    )
  }
}
