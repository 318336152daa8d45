// Learned rounding; what it computes is at `DescentOptions` of the contract, the plain form in ../../reference/descent.ts.
// A row at a time: what costs is adding rows of G to P, and that goes by vectors. Everything of a row that a step touches is laid
// out by column, so that a step is a few loops over plain arrays.
import { hasNonFinite } from './lanes'

/** The row at work: bases of arrays by column, room for `columns` rounded up to 4 each. */
let columnCount: i32 = 0
let weights: usize = 0
let scales: usize = 0
let offsets: usize = 0
/** Address of the table of levels of each column. */
let tables: usize = 0
let levelCount: i32 = 0
let slopes: usize = 0
let moves: usize = 0
let positions: usize = 0
let codes: usize = 0
/** G whole, rows of `gramStride` bytes. */
let gram: usize = 0
let gramStride: usize = 0

/** Copies the triangle above the diagonal of G to below it, with rows of `stride` floats that end in zeros. */
export function mirrorGram(upper: usize, columns: i32, to: usize, stride: i32): void {
  for (let i: usize = 0; i < <usize>columns; i++) {
    const row = to + ((i * stride) << 2)
    memory.copy(row + (i << 2), upper + ((i * columns + i) << 2), (<usize>columns - i) << 2)
    memory.fill(row + (<usize>columns << 2), 0, <usize>(stride - columns) << 2)
    for (let j: usize = 0; j < i; j++) store<f32>(row + (j << 2), load<f32>(to + ((j * stride + i) << 2)))
  }
}

@inline
function valueOf(at: usize, code: i32): f32 {
  return load<f32>(scales + at) * load<f32>(<usize>load<u32>(tables + at) + (<usize>code << 2)) + load<f32>(offsets + at)
}

@inline
function errorOf(at: usize): f32 {
  return valueOf(at, load<u8>(codes + (at >> 2))) - load<f32>(weights + at)
}

@inline
function useOf(at: usize): f32 {
  return load<f32>(gram + (at >> 2) * gramStride + at)
}

/** P += change * G_j for the column at byte `at`. */
function follow(at: usize, change: f32): void {
  if (change == 0) return
  const by = f32x4.splat(change)
  let from = gram + (at >> 2) * gramStride
  let to = slopes
  const end = to + gramStride
  for (; to < end; to += 16, from += 16) v128.store(to, f32x4.add(v128.load(to), f32x4.mul(by, v128.load(from))))
}

function restart(from: usize): void {
  memory.copy(codes, from, columnCount)
  memory.fill(slopes, 0, gramStride)
  const end = <usize>columnCount << 2
  for (let at: usize = 0; at < end; at += 4) follow(at, errorOf(at))
}

function lossOf(): f64 {
  let loss: f64 = 0
  const end = <usize>columnCount << 2
  for (let at: usize = 0; at < end; at += 4) loss += <f64>errorOf(at) * <f64>load<f32>(slopes + at)
  return loss
}

/** Takes the code if that lowers the loss. */
@inline
function tryCode(at: usize, code: i32, next: i32): bool {
  const change = valueOf(at, next) - valueOf(at, code)
  const slope = <f32>2 * load<f32>(slopes + at) + change * useOf(at)
  if (!(change * slope < 0)) return false
  store<u8>(codes + (at >> 2), next)
  follow(at, change)
  return true
}

function settle(sweeps: i32): void {
  const end = <usize>columnCount << 2
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let hasChanged = false
    for (let at: usize = 0; at < end; at += 4) {
      const code = <i32>load<u8>(codes + (at >> 2))
      if (code > 0 && tryCode(at, code, code - 1)) hasChanged = true
      else if (code + 1 < levelCount && tryCode(at, code, code + 1)) hasChanged = true
    }
    if (!hasChanged) return
  }
}

function place(reach: f32): void {
  const end = <usize>columnCount << 2
  for (let at: usize = 0; at < end; at += 4) {
    const levels = <usize>load<u32>(tables + at)
    const scale = load<f32>(scales + at)
    const quotient: f32 = scale == 0 ? 0 : (load<f32>(weights + at) - load<f32>(offsets + at)) / scale
    let below = 0
    while (below + 2 < levelCount && quotient >= load<f32>(levels + (<usize>below << 2), 4)) below++
    const level = load<f32>(levels + (<usize>below << 2))
    const gap: f32 = below + 1 < levelCount ? load<f32>(levels + (<usize>below << 2), 4) - level : 0
    const position: f32 = gap > 0 ? <f32>below + (quotient - level) / gap : <f32>below
    const code = <f32>load<u8>(codes + (at >> 2))
    store<f32>(positions + at, min<f32>(code + reach, max<f32>(code - reach, position)))
  }
}

/** One step whose moves have the root mean square `length`; false when there is nowhere to go. */
function step(length: f64, reach: f32): bool {
  const end = <usize>columnCount << 2
  let squares: f64 = 0
  for (let at: usize = 0; at < end; at += 4) {
    const use = useOf(at)
    const scale = load<f32>(scales + at)
    const move: f32 = use == 0 || scale == 0 ? 0 : load<f32>(slopes + at) / use / scale
    store<f32>(moves + at, move)
    squares += <f64>move * <f64>move
  }
  const size = sqrt<f64>(squares / <f64>columnCount)
  if (!(size > 0 && size < Infinity)) return false
  const rate = <f32>(length / size)
  const most = <f32>(levelCount - 1) + reach
  for (let at: usize = 0; at < end; at += 4) {
    const position = min<f32>(most, max<f32>(-reach, load<f32>(positions + at) - rate * load<f32>(moves + at)))
    store<f32>(positions + at, position)
    const code = <i32>load<u8>(codes + (at >> 2))
    const next = <i32>floor<f32>(position + <f32>0.5)
    let change: f32 = 0
    if (next != code) {
      store<u8>(codes + (at >> 2), next)
      change = valueOf(at, next) - valueOf(at, code)
    }
    store<f32>(moves + at, change)
  }
  for (let at: usize = 0; at < end; at += 4) follow(at, load<f32>(moves + at))
  return true
}

/**
 * x [rows, columns]; whole: G as `mirrorGram` lays it out; groupOf: i32 by column; rowScales, rowOffsets: [rows, groups];
 * levels: one table of `count`, or with `isByGroup` [rows, groups] of them. found: u8 [rows, columns], the start on entry. losses:
 * f64 [rows, 2], before and after. work: room for 7 * stride floats. Returns 1 when a weight is not finite.
 */
export function descendCodes(
  x: usize,
  rows: i32,
  columns: i32,
  whole: usize,
  stride: i32,
  groupOf: usize,
  groups: i32,
  rowScales: usize,
  rowOffsets: usize,
  levels: usize,
  count: i32,
  isByGroup: i32,
  rounds: i32,
  steps: i32,
  sweeps: i32,
  stepLength: f64,
  reach: f32,
  found: usize,
  losses: usize,
  work: usize,
): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  const room = <usize>stride << 2
  columnCount = columns
  levelCount = count
  gram = whole
  gramStride = room
  scales = work
  offsets = scales + room
  tables = offsets + room
  slopes = tables + room
  moves = slopes + room
  positions = moves + room
  codes = positions + room
  for (let row = 0; row < rows; row++) {
    weights = x + (<usize>(row * columns) << 2)
    const best = found + <usize>(row * columns)
    for (let column: usize = 0; column < <usize>columns; column++) {
      const group = <usize>(row * groups + load<i32>(groupOf + (column << 2)))
      store<f32>(scales + (column << 2), load<f32>(rowScales + (group << 2)))
      store<f32>(offsets + (column << 2), load<f32>(rowOffsets + (group << 2)))
      store<u32>(tables + (column << 2), <u32>(levels + (isByGroup ? (group * count) << 2 : 0)))
    }
    restart(best)
    let least = lossOf()
    store<f64>(losses + (<usize>row << 4), least)
    settle(sweeps)
    let loss = lossOf()
    if (loss < least) {
      least = loss
      memory.copy(best, codes, columns)
    }
    for (let round = 0; round < rounds; round++) {
      restart(best)
      least = lossOf()
      place(reach)
      for (let t = 0; t < steps; t++) {
        if (!step(stepLength * (1 - <f64>t / <f64>steps), reach)) break
        loss = lossOf()
        if (loss < least) {
          least = loss
          memory.copy(best, codes, columns)
        }
      }
      settle(sweeps)
      loss = lossOf()
      if (loss < least) {
        least = loss
        memory.copy(best, codes, columns)
      }
    }
    store<f64>(losses + (<usize>row << 4), least, 8)
  }
  return 0
}
