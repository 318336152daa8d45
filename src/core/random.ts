/**
 * Seeded random numbers: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021).
 * The same seed gives the same numbers on every machine. Not for secrets.
 */
export interface Random {
  /** Uniform in [0, 2^32). */
  readonly nextUint32: () => number
  /** Uniform in [0, 1), 53 bits. */
  readonly next: () => number
  /** Normal with mean 0 and deviation 1 (Box and Muller). */
  readonly nextNormal: () => number
}

/** Four 32-bit words of state, not all zero. */
export type RandomState = readonly [number, number, number, number]

const rotateLeft = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

/** A generator for a seed, any number; its state is spread by splitmix32. */
export function createRandom(seed: number): Random {
  let mixed = Math.trunc(seed) >>> 0
  const word = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0
    let z = mixed
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  return randomFromState([word(), word(), word(), word()])
}

export function randomFromState(state: RandomState): Random {
  let [a, b, c, d] = state
  const nextUint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotateLeft(d, 11)
    return result
  }
  const next = (): number => ((nextUint32() >>> 5) * 67108864 + (nextUint32() >>> 6)) / 9007199254740992
  return {
    nextUint32,
    next,
    // 1 - next() lies in (0, 1], so the logarithm is finite.
    nextNormal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  }
}
