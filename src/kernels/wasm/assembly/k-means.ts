// Codes into a table of values for each group; the rules are at `KMeansParams`, the plain form in ../../reference/k-means.ts.

import { packRow, unpackRow } from './bit-stream'
import { bestClusters, meansOf, moveBorders, sumGroup } from './clusters'
import { floatOfHalf, halfBits } from './half'
import { hasNonFinite } from './lanes'
import { indexOfPair, sortPairs } from './sort'

/** Writes the table of the group just summed up, halves as f32; returns the borders that go with it. */
function makeTable(count: i32, table: usize): usize {
  const borders = bestClusters(count)
  const means = meansOf(borders)
  for (let j: usize = 0; j < <usize>count; j++) {
    const mean = <f32>min<f64>(65504, max<f64>(-65504, load<f64>(means + (j << 3))))
    const held = floatOfHalf(halfBits(mean))
    store<f32>(table + (j << 2), held)
    store<f64>(means + (j << 3), <f64>held)
  }
  moveBorders(borders, count)
  return borders
}

/**
 * Codes and tables of [rows, columns] at x, a table for each `group` columns. `importance` is [columns] f32 or 0. `rowCodes`
 * has room for one row of bytes; `scratch` for 40 bytes a column of a group and 16 more. Returns 1 when a value is not finite.
 */
export function quantizeKMeans(
  x: usize, rows: i32, columns: i32, group: i32, bits: i32, importance: usize,
  codes: usize, tables: usize, rowCodes: usize, scratch: usize,
): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  const count = 1 << bits
  const rowBytes = <usize>((columns * bits + 7) >> 3)
  const room = <usize>min(group, columns) << 3
  let table = tables
  for (let row = 0; row < rows; row++) {
    for (let start = 0; start < columns; start += group) {
      const size = min(group, columns - start)
      const pairs = sortPairs(x + ((<usize>row * columns + start) << 2), size, scratch, scratch + room)
      sumGroup(pairs, size, importance ? importance + (<usize>start << 2) : 0, scratch + 2 * room)
      const borders = makeTable(count, table)
      table += <usize>count << 2
      let i = 0
      for (let code = 0; code < count; code++) {
        const end = load<i32>(borders + (<usize>code << 2), 4)
        for (; i < end; i++) store<u8>(rowCodes + start + indexOfPair(load<u64>(pairs + (<usize>i << 3))), code)
      }
    }
    packRow(rowCodes, columns, bits, codes + <usize>row * rowBytes)
  }
  return 0
}

/** Values of [rows, columns] from what `quantizeKMeans` wrote. */
export function dequantizeKMeans(
  codes: usize, tables: usize, rows: i32, columns: i32, group: i32, bits: i32, to: usize, rowCodes: usize,
): void {
  const rowBytes = <usize>((columns * bits + 7) >> 3)
  let table = tables
  for (let row = 0; row < rows; row++) {
    unpackRow(codes + <usize>row * rowBytes, columns, bits, rowCodes)
    for (let start = 0; start < columns; start += group) {
      const end = min(columns, start + group)
      for (let i = start; i < end; i++) {
        store<f32>(to, load<f32>(table + (<usize>load<u8>(rowCodes + i) << 2)))
        to += 4
      }
      table += <usize>4 << bits
    }
  }
}
