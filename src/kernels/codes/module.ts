import { wasmBase64 } from './build/codes.ts'

/** What the module exports; pointers are byte offsets into `memory`. Described where they are written, in `assembly/`. */
interface CodesExports {
  readonly memory: WebAssembly.Memory
  readonly heapBase: () => number
  readonly flipBytes: (from: number, count: number, to: number, flip: number) => void
  readonly splitQ8: (from: number, count: number, codes: number, floats: number, flip: number) => void
  readonly widenFields: (from: number, count: number, to: number, ...widening: WideningArguments) => void
  readonly widenTrits: (from: number, rows: number, columns: number, to: number) => void
  readonly sameBytes: (found: number, stored: number, count: number, flip: number) => number
  readonly sameQ8: (codes: number, scales: number, stored: number, count: number, flip: number, runs: number) => number
  readonly sameFields: (found: number, stored: number, count: number, ...widening: WideningArguments) => number
  readonly sameTrits: (found: number, stored: number, rows: number, columns: number) => number
}

/** Bits of a code, bits of its field, 1 where it is doubled, what is added in eight fields. */
type WideningArguments = readonly [bits: number, wide: number, double: number, more: bigint]

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
  const module = new WebAssembly.Module(Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0)))
  const wasm = new WebAssembly.Instance(module, { env: { abort: () => undefined } }).exports as unknown as CodesExports
  const first = Math.ceil(wasm.heapBase() / slack) * slack
  const second = first + stageBytes + slack
  const missing = second + stageBytes + slack - wasm.memory.buffer.byteLength
  if (missing > 0) wasm.memory.grow(Math.ceil(missing / pageBytes))
  return { wasm, memory: new Uint8Array(wasm.memory.buffer), first, second }
}
