import { fromBase64 } from '../../core/base64.ts'
import { wasmBase64 } from './build/transpose.ts'

/**
 * Rows from a place on, their stride, how many, columns [first, last) of them, where the line of `first` is, bytes of a line; of fields
 * their bits; of those and of bytes what is subtracted.
 */
type ToLines = (...args: readonly number[]) => void
/** Lines from a place on, bytes of each, how many, rows, where the first one goes, their stride; of fields their bits, and what is added. */
type ToRows = (...args: readonly number[]) => void

/** What the module exports; pointers are byte offsets into `memory`. Described where they are written, in `assembly/`. */
export interface TransposeExports {
  readonly memory: WebAssembly.Memory
  readonly heapBase: () => number
  readonly bytesToFieldLines: ToLines
  readonly bytesToLines: ToLines
  readonly nibblesToLines: ToLines
  readonly floatsToHalfLines: ToLines
  readonly wordsToLines: ToLines
  readonly fieldLinesToBytes: ToRows
  readonly linesToBytes: ToRows
  readonly linesToNibbles: ToRows
  readonly halfLinesToFloats: ToRows
  readonly linesToWords: ToRows
}

let compiled: WebAssembly.Module | undefined

/** A new instance with a memory of its own; the bytes are compiled once a thread. They are few: nobody has to wait for it. */
export function instantiateTranspose(): TransposeExports {
  compiled ??= new WebAssembly.Module(fromBase64(wasmBase64))
  const { exports } = new WebAssembly.Instance(compiled, { env: { abort: () => undefined } })
  return exports as unknown as TransposeExports
}
