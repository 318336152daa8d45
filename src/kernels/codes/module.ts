import { fromBase64 } from '../../core/base64.ts'
import { wasmBase64 } from './build/codes.ts'

/** From a place on, to a place, and how many of what: described where they are written, in `assembly/`. */
type Make = (...args: readonly (number | bigint)[]) => void
/** Places of what is found and of what is stored, how many of what; 0 where they are not the same. */
type Same = (...args: readonly (number | bigint)[]) => number

/** What the module exports; pointers are byte offsets into `memory`. */
interface CodesExports {
  readonly memory: WebAssembly.Memory
  readonly heapBase: () => number
  readonly flipBytes: Make
  readonly splitQ8: Make
  readonly widenFields: Make
  readonly widenTrits: Make
  readonly sameBytes: Same
  readonly sameQ8: Same
  readonly sameFields: Same
  readonly sameTrits: Same
}

/** Room for what comes in, and for what goes out or is compared with it: both stay in the cache. */
export const stageBytes = 64 * 2 ** 10
/** The module goes so much past the end of either. */
const slack = 64
const pageBytes = 65536

/** The module with two places in its memory, `stageBytes` each. */
export interface Stage {
  readonly wasm: CodesExports
  /** All of its memory. */
  readonly memory: Uint8Array<ArrayBuffer>
  readonly first: number
  readonly second: number
}

let stage: Stage | undefined

/** One a thread: nothing comes between what a caller puts there and what it takes. The module is small: nobody has to wait for it. */
export function codeStage(): Stage {
  stage ??= instantiate()
  return stage
}

function instantiate(): Stage {
  const module = new WebAssembly.Module(fromBase64(wasmBase64))
  const wasm = new WebAssembly.Instance(module, { env: { abort: () => undefined } }).exports as unknown as CodesExports
  const first = Math.ceil(wasm.heapBase() / slack) * slack
  const second = first + stageBytes + slack
  const missing = second + stageBytes + slack - wasm.memory.buffer.byteLength
  if (missing > 0) wasm.memory.grow(Math.ceil(missing / pageBytes))
  return { wasm, memory: new Uint8Array(wasm.memory.buffer), first, second }
}
