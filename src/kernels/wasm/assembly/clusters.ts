// Clusters of a group's sorted weights by Lloyd's algorithm, scalar f64; the rules are at `KMeansParams`, the plain form in
// ../../reference/clusters.ts.

import { indexOfPair, valueOfPair } from './sort'

const ITERATIONS: i32 = 50
const MEANS_SIZE: usize = 2048

/** Two sets of clusters, each 256 means as f64 and 257 borders as i32; a set is known by where its borders are. */
const FIRST: usize = memory.data(3080, 16) + MEANS_SIZE
const SECOND: usize = memory.data(3080, 16) + MEANS_SIZE

const SET_SIZE: usize = 3076
/** Sums of worth over 4 * 256 stretches, and 0 before them. */
const WORTH: usize = memory.data(8208, 16)

/** The group just sorted: values, and sums of importance and of importance * value from 0 on, all f64. */
let values: usize = 0
let importances: usize = 0
let products: usize = 0
let size: i32 = 0

@inline
function f64At(base: usize, index: i32): f64 {
  return load<f64>(base + (<usize>index << 3))
}

/** Takes up the group of `count` sorted pairs. `importance` is 0 when all count the same; `room` for 24 bytes a pair and 16. */
export function sumGroup(pairs: usize, count: i32, importance: usize, room: usize): void {
  size = count
  values = room
  importances = values + (<usize>count << 3)
  products = importances + (<usize>count << 3) + 8
  let weights: f64 = 0
  let sum: f64 = 0
  store<f64>(importances, 0)
  store<f64>(products, 0)
  for (let i = 0; i < size; i++) {
    const pair = load<u64>(pairs + (<usize>i << 3))
    const value = <f64>valueOfPair(pair)
    const weight: f64 = importance ? <f64>load<f32>(importance + (<usize>indexOfPair(pair) << 2)) : 1
    weights += weight
    sum += weight * value
    const at = <usize>i << 3
    store<f64>(values + at, value)
    store<f64>(importances + at, weights, 8)
    store<f64>(products + at, sum, 8)
  }
}

@inline
function stretchStart(i: i32, stretches: i32): i32 {
  return <i32>((<i64>i * size) / stretches)
}

@inline
export function meansOf(borders: usize): usize {
  return borders - MEANS_SIZE
}

@inline
function borderAt(borders: usize, index: i32): i32 {
  return load<i32>(borders + (<usize>index << 2))
}

function startCompanded(borders: usize, count: i32): void {
  const stretches = min(4 * count, size)
  let sum: f64 = 0
  store<f64>(WORTH, 0)
  for (let i = 0; i < stretches; i++) {
    const end = min(stretchStart(i + 1, stretches), size - 1)
    const root = sqrt(f64At(values, end) - f64At(values, stretchStart(i, stretches)))
    sum += root * sqrt(sqrt(root))
    store<f64>(WORTH + (<usize>i << 3), sum, 8)
  }
  store<i32>(borders, 0)
  store<i32>(borders + (<usize>count << 2), size)
  let stretch = 0
  for (let j = 1; j < count; j++) {
    const wanted = (sum * <f64>j) / <f64>count
    while (stretch < stretches && f64At(WORTH, stretch + 1) <= wanted) stretch++
    let border = size
    if (stretch < stretches) {
      const before = f64At(WORTH, stretch)
      const part = (wanted - before) / (f64At(WORTH, stretch + 1) - before)
      const start = stretchStart(stretch, stretches)
      border = start + <i32>(part * <f64>(stretchStart(stretch + 1, stretches) - start))
    }
    store<i32>(borders + (<usize>j << 2), border)
  }
  startMeans(borders, count)
}

/** Each cluster's first value, or the last of all, until Lloyd's algorithm finds its mean. */
function startMeans(borders: usize, count: i32): void {
  const means = meansOf(borders)
  for (let j = 0; j < count; j++) store<f64>(means + (<usize>j << 3), f64At(values, min(borderAt(borders, j), size - 1)))
}

function startEvenlySpaced(borders: usize, count: i32): void {
  const means = meansOf(borders)
  const least = min<f64>(0, f64At(values, 0))
  const most = max<f64>(0, f64At(values, size - 1))
  const step = (most - least) / <f64>(count - 1)
  const zero: f64 = step == 0 ? <f64>0 : floor(-least / step + 0.5)
  for (let j = 0; j < count; j++) {
    store<f64>(means + (<usize>j << 3), (<f64>j - zero) * step)
    store<i32>(borders + (<usize>j << 2), 0)
  }
  store<i32>(borders + (<usize>count << 2), size)
  moveBorders(borders, count)
}

/** Moves each border to the middle between the means beside it; whether one moved. */
export function moveBorders(borders: usize, count: i32): bool {
  const means = meansOf(borders)
  let hasMoved = false
  let previous = 0
  let lower = load<f64>(means)
  for (let j = 1; j < count; j++) {
    const upper = f64At(means, j)
    const middle = (lower + upper) * 0.5
    lower = upper
    const at = borders + (<usize>j << 2)
    const before = load<i32>(at)
    // Borders ascend, so none lies before the one just placed.
    let border = max(before, previous)
    while (border < size && f64At(values, border) <= middle) border++
    while (border > 0 && f64At(values, border - 1) > middle) border--
    store<i32>(at, border)
    previous = border
    if (border != before) hasMoved = true
  }
  return hasMoved
}

/** Lloyd's algorithm; returns what the clusters keep of the squares. */
function improve(borders: usize, count: i32): f64 {
  const means = meansOf(borders)
  let kept: f64 = 0
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    kept = 0
    let start = 0
    for (let j = 0; j < count; j++) {
      const end = load<i32>(borders + (<usize>j << 2), 4)
      const importance = f64At(importances, end) - f64At(importances, start)
      if (importance > 0) {
        const product = f64At(products, end) - f64At(products, start)
        const mean = min(f64At(values, end - 1), max(f64At(values, start), product / importance))
        store<f64>(means + (<usize>j << 3), mean)
        kept += product * mean
      }
      start = end
    }
    if (!moveBorders(borders, count)) break
  }
  return kept
}

/** What the weights [start, end) keep of the squares as one cluster. */
@inline
function keptBy(start: i32, end: i32): f64 {
  const importance = f64At(importances, end) - f64At(importances, start)
  const product = f64At(products, end) - f64At(products, start)
  return importance > 0 ? (product * product) / importance : 0
}

/** Where a cluster is cut at its mean: its first value above. */
@inline
function cutOf(start: i32, end: i32): i32 {
  const importance = f64At(importances, end) - f64At(importances, start)
  if (!(importance > 0)) return end
  const mean = (f64At(products, end) - f64At(products, start)) / importance
  let low = start
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (f64At(values, middle) <= mean) low = middle + 1
    else high = middle
  }
  return low
}

/** Joins the two neighbours that lose least by it and cuts the cluster that gains most; false where nothing is gained. */
function relocate(borders: usize, count: i32): bool {
  let split = -1
  let gain: f64 = 0
  let cut = 0
  for (let j = 0; j < count; j++) {
    const start = borderAt(borders, j)
    const end = borderAt(borders, j + 1)
    const at = cutOf(start, end)
    const gained = keptBy(start, at) + keptBy(at, end) - keptBy(start, end)
    if (gained > gain) {
      split = j
      gain = gained
      cut = at
    }
  }
  let joined = -1
  let loss = gain
  for (let j = 1; j < count; j++) {
    const start = borderAt(borders, j - 1)
    const middle = borderAt(borders, j)
    const end = borderAt(borders, j + 1)
    const lost = keptBy(start, middle) + keptBy(middle, end) - keptBy(start, end)
    if (lost < loss && split != j - 1 && split != j) {
      joined = j
      loss = lost
    }
  }
  if (joined < 0) return false
  if (split > joined) {
    memory.copy(borders + (<usize>joined << 2), borders + (<usize>joined << 2) + 4, <usize>(split - joined) << 2)
    store<i32>(borders + (<usize>split << 2), cut)
  } else {
    memory.copy(borders + (<usize>split << 2) + 8, borders + (<usize>split << 2) + 4, <usize>(joined - split - 1) << 2)
    store<i32>(borders + (<usize>split << 2) + 4, cut)
  }
  startMeans(borders, count)
  return true
}

/** The clusters of the group that `sumGroup` took up. */
export function bestClusters(count: i32): usize {
  startCompanded(FIRST, count)
  startEvenlySpaced(SECOND, count)
  const keptBySecond = improve(SECOND, count)
  let kept = improve(FIRST, count)
  let best = FIRST
  let spare = SECOND
  if (keptBySecond > kept) {
    kept = keptBySecond
    best = SECOND
    spare = FIRST
  }
  for (let relocation = 0; relocation < count; relocation++) {
    memory.copy(meansOf(spare), meansOf(best), SET_SIZE)
    if (!relocate(spare, count)) break
    const keptBySpare = improve(spare, count)
    if (!(keptBySpare > kept)) break
    kept = keptBySpare
    const swap = best
    best = spare
    spare = swap
  }
  return best
}
