// Stable ascending order of floats. A pair is 64 bits: the float as an integer of the same order above, its index below.

const COUNTS: usize = memory.data(4096, 16)
/** Up to here inserting is faster than counting. */
const INSERTED: i32 = 48

@inline
function pairOf(p: usize, index: i32): u64 {
  // + 0 turns -0 into 0.
  const bits = reinterpret<u32>(load<f32>(p) + <f32>0)
  const key = bits ^ (<u32>(<i32>bits >> 31) | 0x80000000)
  return (<u64>key << 32) | <u64>index
}

@inline
export function indexOfPair(pair: u64): u32 {
  return <u32>pair
}

@inline
export function valueOfPair(pair: u64): f32 {
  const key = <u32>(pair >> 32)
  return reinterpret<f32>(key ^ (<u32>(~(<i32>key) >> 31) | 0x80000000))
}

/** Pairs of count floats at x in ascending order, equal ones by index; returns which of the two buffers holds them. */
export function sortPairs(x: usize, count: i32, first: usize, second: usize): usize {
  if (count <= INSERTED) {
    insertPairs(x, count, first)
    return first
  }
  memory.fill(COUNTS, 0, 4096)
  for (let i = 0; i < count; i++) {
    const pair = pairOf(x + (<usize>i << 2), i)
    store<u64>(first + (<usize>i << 3), pair)
    for (let digit = 0; digit < 4; digit++) {
      const at = COUNTS + (<usize>digit << 10) + (<usize>((pair >> (32 + 8 * digit)) & 255) << 2)
      store<u32>(at, load<u32>(at) + 1)
    }
  }
  let from = first
  let to = second
  for (let digit = 0; digit < 4; digit++) {
    if (!startBuckets(COUNTS + (<usize>digit << 10), count)) continue
    distribute(from, to, count, digit)
    const swap = from
    from = to
    to = swap
  }
  return from
}

@inline
function insertPairs(x: usize, count: i32, pairs: usize): void {
  for (let i = 0; i < count; i++) {
    const pair = pairOf(x + (<usize>i << 2), i)
    let at = pairs + (<usize>i << 3)
    for (; at > pairs && load<u64>(at - 8) > pair; at -= 8) store<u64>(at, load<u64>(at - 8))
    store<u64>(at, pair)
  }
}

/** Counts of 256 buckets to the places where they start; false when all pairs are in one. */
@inline
function startBuckets(counts: usize, count: i32): bool {
  let start: u32 = 0
  for (let i: usize = 0; i < 1024; i += 4) {
    const size = load<u32>(counts + i)
    if (size == <u32>count) return false
    store<u32>(counts + i, start)
    start += size
  }
  return true
}

@inline
function distribute(from: usize, to: usize, count: i32, digit: i32): void {
  const counts = COUNTS + (<usize>digit << 10)
  const shift = 32 + 8 * digit
  for (const end = from + (<usize>count << 3); from < end; from += 8) {
    const pair = load<u64>(from)
    const at = counts + (<usize>((pair >> shift) & 255) << 2)
    const place = load<u32>(at)
    store<u32>(at, place + 1)
    store<u64>(to + (<usize>place << 3), pair)
  }
}
