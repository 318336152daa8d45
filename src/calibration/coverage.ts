/**
 * Characters in a row that two texts hardly share by chance: some thirty words. Stories share their first sentence, code its
 * licence's first line.
 */
const runCharacters = 160
/** Runs of the evaluation text that are remembered; of a longer one every second, third … of them, chosen by what they are. */
const mostRemembered = 65_536
/** Odd, of two independent hashes. */
const firstMultiplier = 0x9e3779b1
const secondMultiplier = 0x85ebca6b

/** Different ids of the vocabulary among the tokens of some windows. */
export function distinctTokens(windows: readonly Int32Array[]): number {
  const seen = new Set<number>()
  for (const window of windows) for (const id of window) seen.add(id)
  return seen.size
}

/**
 * Share of the calibration windows' runs of tokens (160 characters, or a window, if that is shorter) that the evaluation text has
 * too. `evaluation` is windows of a text in its order; a token `bos` in front of windows is left aside; `tokenCharacters` is what a
 * token stands for on average. 0 for texts too short to tell.
 */
export function sharedRuns(
  calibration: readonly Int32Array[],
  evaluation: readonly Int32Array[],
  { bos, tokenCharacters }: { readonly bos: number | null; readonly tokenCharacters: number },
): number {
  const without = (window: Int32Array): Int32Array => (window[0] === bos ? window.subarray(1) : window)
  const pieces = calibration.map(without)
  const length = Math.min(Math.ceil(runCharacters / tokenCharacters), ...pieces.map((piece) => piece.length))
  const text = joined(evaluation.map(without))
  if (length < 2 || text.length < length) return 0
  const stride = Math.ceil(text.length / mostRemembered)
  const known = new Set<number>()
  forEachRun(text, length, (low, key) => {
    if (low % stride === 0) known.add(key)
  })
  let runs = 0
  let shared = 0
  for (const piece of pieces) {
    forEachRun(piece, length, (low, key) => {
      if (low % stride !== 0) return
      runs += 1
      if (known.has(key)) shared += 1
    })
  }
  return runs === 0 ? 0 : shared / runs
}

function joined(windows: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(windows.reduce((sum, window) => sum + window.length, 0))
  let at = 0
  for (const window of windows) {
    all.set(window, at)
    at += window.length
  }
  return all
}

/** Calls with a 32-bit hash, and one of 53 bits, of every run of `length` ids (rolling polynomial hashes modulo 2^32). */
function forEachRun(ids: Int32Array, length: number, visit: (low: number, key: number) => void): void {
  const firstLeaving = power(firstMultiplier, length)
  const secondLeaving = power(secondMultiplier, length)
  let first = 0
  let second = 0
  // 1 is added to every id, so that 0 counts.
  for (let index = 0; index < ids.length; index++) {
    const arriving = (ids[index] ?? 0) + 1
    const leaving = index < length ? 0 : (ids[index - length] ?? 0) + 1
    first = (Math.imul(first, firstMultiplier) + arriving - Math.imul(leaving, firstLeaving)) | 0
    second = (Math.imul(second, secondMultiplier) + arriving - Math.imul(leaving, secondLeaving)) | 0
    if (index < length - 1) continue
    const low = mixed(first)
    visit(low, low * 2 ** 21 + (mixed(second) >>> 11))
  }
}

/** `multiplier` to the power of `exponent`, modulo 2^32. */
function power(multiplier: number, exponent: number): number {
  let result = 1
  for (let step = 0; step < exponent; step++) result = Math.imul(result, multiplier)
  return result
}

/** Spreads the low bits, which a polynomial modulo 2^32 leaves poor, over all of them. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  return (once ^ (once >>> 15)) >>> 0
}
