// Tables of a code book (../../code-books.ts) as the search and the decoders want them. A packed point holds the level 2 code + 1
// of its weight i in bits 4 i to 4 i + 3. Numbers of points are those of the code book.
//
// At a table's start, for each number: the packed point, or where it is outside the book bit 31 and (first << 9) | count of its
// neighbours among the lists, which hold records of points as bytes from RECORDS_AT. Sizes are those of the largest book.

const NUMBERS: usize = 6561
const POINTS: usize = 2048
/** For each number in the book its index, u16. */
export const INDICES_AT: usize = (NUMBERS * 4 + 15) & ~15
/** For each index the packed point. */
export const WORDS_AT: usize = INDICES_AT + ((NUMBERS * 2 + 15) & ~15)
/**
 * For each index what the search wants of a point. Of 8 weights 16 bytes: 16 code for each, a byte; the packed point. Of 4 weights
 * 32 bytes: the level of each as f32; the packed point.
 */
export const RECORDS_AT: usize = WORDS_AT + POINTS * 4
export const LISTS_AT: usize = RECORDS_AT + POINTS * 16

/** Codes of the points, a row of POINTS bytes for each of the 8 places; distances of the points to one. */
const CODES: usize = memory.data(8 * 2048, 16)
const DISTANCES: usize = memory.data(2048, 16)

/** Room for `bytes` from `at` on. */
function ensure(at: usize, bytes: usize): void {
  const missing = <i32>(at + bytes) - (memory.size() << 16)
  if (missing > 0) memory.grow((missing + 0xffff) >> 16)
}

/** Fills what is looked up by index and by number; the number of points. */
function unpack(members: usize, dimensions: i32, levels: i32, numbers: i32, at: usize): i32 {
  let index = 0
  for (let number = 0; number < numbers; number++) {
    if (!((load<u8>(members + (number >> 3)) >> (number & 7)) & 1)) continue
    const record = at + RECORDS_AT + <usize>(index * (dimensions == 8 ? 16 : 32))
    let word: u32 = 0
    let rest = number
    for (let i = 0; i < dimensions; i++) {
      const code = rest % levels
      rest /= levels
      store<u8>(CODES + <usize>(i * <i32>POINTS + index), code)
      word |= <u32>(2 * code + 1) << (4 * i)
      if (dimensions == 8) store<u8>(record + i, 16 * code)
      else store<f32>(record + (<usize>i << 2), <f32>code + <f32>code + <f32>1)
    }
    store<u32>(record + (dimensions == 8 ? 8 : 16), word)
    store<u32>(at + (<usize>number << 2), word)
    store<u16>(at + INDICES_AT + (<usize>number << 1), index)
    store<u32>(at + WORDS_AT + (<usize>index << 2), word)
    index++
  }
  return index
}

/** DISTANCES = squared distances of `count` points to a number, 255 beyond them. */
function measure(number: i32, dimensions: i32, levels: i32, count: i32): void {
  const ends = (count + 15) & ~15
  memory.fill(DISTANCES, 0, ends)
  let rest = number
  for (let i = 0; i < dimensions; i++) {
    const off = i8x16.sub(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>(rest % levels)))
    rest /= levels
    // Squares of bytes by halves; they and their sums stay below 255.
    const low = i16x8.extmul_low_i8x16_s(off, off)
    const squares = i8x16.narrow_i16x8_u(low, i16x8.extmul_high_i8x16_s(off, off))
    for (let j: i32 = 0; j < ends; j += 16) {
      const codes = v128.load(CODES + <usize>(i * <i32>POINTS + j))
      v128.store(DISTANCES + j, i8x16.add(v128.load(DISTANCES + j), i8x16.swizzle(squares, codes)))
    }
  }
  for (let j = count; j < ends; j++) store<u8>(DISTANCES + j, 255)
}

/** Least distance above `beyond`. */
function nearestBeyond(beyond: i32, count: i32): i32 {
  const bound = i8x16.splat(<i8>beyond)
  let least = i8x16.splat(-1)
  for (let j = 0; j < count; j += 16) {
    const distances = v128.load(DISTANCES + j)
    least = i8x16.min_u(least, v128.or(distances, i8x16.le_u(distances, bound)))
  }
  least = i8x16.min_u(least, v128.shuffle<i64>(least, least, 1, 0))
  least = i8x16.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2))
  least = i8x16.min_u(least, i32x4.shr_u(least, 16))
  least = i8x16.min_u(least, i32x4.shr_u(least, 8))
  return <i32>i8x16.extract_lane_u(least, 0)
}

/**
 * Tables from `at` on (16-aligned) of a book whose members are bits at `members`; their end. Neighbours come by distance and then
 * by index, those of `shells` distances.
 */
export function prepareLattice(members: usize, dimensions: i32, levels: i32, shells: i32, at: usize): usize {
  ensure(at, LISTS_AT)
  let numbers = 1
  for (let i = 0; i < dimensions; i++) numbers *= levels
  const count = unpack(members, dimensions, levels, numbers, at)
  const recordBytes = dimensions == 8 ? 16 : 32
  let end = at + LISTS_AT
  for (let number = 0; number < numbers; number++) {
    if ((load<u8>(members + (number >> 3)) >> (number & 7)) & 1) continue
    ensure(end, POINTS * 2)
    measure(number, dimensions, levels, count)
    const list = end
    let distance = 0
    for (let shell = 0; shell < shells; shell++) {
      distance = nearestBeyond(distance, count)
      for (let j = 0; j < count; j += 16) {
        let found = i8x16.bitmask(i8x16.eq(v128.load(DISTANCES + j), i8x16.splat(<i8>distance)))
        for (; found != 0; found &= found - 1) {
          store<u16>(end, recordBytes * (j + ctz(found)))
          end += 2
        }
      }
    }
    const first = <u32>(list - at - LISTS_AT) >> 1
    store<u32>(at + (<usize>number << 2), 0x80000000 | (first << 9) | (<u32>(end - list) >> 1))
  }
  return end
}
