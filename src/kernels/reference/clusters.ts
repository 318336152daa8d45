import { kMeansIterations } from '../contract/k-means.ts'

/** A group's weights in ascending order, with sums from its start: `sums[i]` is that of the first i. */
export interface SortedGroup {
  readonly order: Uint32Array
  readonly values: Float64Array
  readonly importances: Float64Array
  readonly products: Float64Array
}

export function sortGroup(weights: Float32Array, importance: Float32Array | null): SortedGroup {
  const count = weights.length
  const order = Uint32Array.from(weights.keys()).sort((a, b) => (weights[a] ?? 0) - (weights[b] ?? 0) || a - b)
  // + 0 turns -0 into 0.
  const values = Float64Array.from(order, (index) => (weights[index] ?? 0) + 0)
  const importances = new Float64Array(count + 1)
  const products = new Float64Array(count + 1)
  for (const [i, value] of values.entries()) {
    const weight = importance === null ? 1 : (importance[order[i] ?? 0] ?? 0)
    importances[i + 1] = (importances[i] ?? 0) + weight
    products[i + 1] = (products[i] ?? 0) + weight * value
  }
  return { order, values, importances, products }
}

/** Borders and means of `count` clusters: cluster j is [borders[j], borders[j + 1]). */
export interface Clusters {
  readonly borders: Uint32Array
  readonly means: Float64Array
}

/** Borders where stretches of equally many weights, each worth width^0.625, have given enough for one cluster more. */
function companded({ values }: SortedGroup, count: number): Clusters {
  const stretches = Math.min(4 * count, values.length)
  const at = (i: number): number => Math.floor((i * values.length) / stretches)
  const worth = new Float64Array(stretches + 1)
  for (let i = 0; i < stretches; i++) {
    const width = (values[Math.min(at(i + 1), values.length - 1)] ?? 0) - (values[at(i)] ?? 0)
    const root = Math.sqrt(width)
    worth[i + 1] = (worth[i] ?? 0) + root * Math.sqrt(Math.sqrt(root))
  }
  const total = worth[stretches] ?? 0
  const borders = new Uint32Array(count + 1)
  borders[count] = values.length
  let stretch = 0
  for (let j = 1; j < count; j++) {
    const wanted = (total * j) / count
    while (stretch < stretches && (worth[stretch + 1] ?? 0) <= wanted) stretch++
    // A stretch without width is worth nothing: borders that nothing asks for lie at the end.
    const part = stretch < stretches ? (wanted - (worth[stretch] ?? 0)) / ((worth[stretch + 1] ?? 0) - (worth[stretch] ?? 0)) : 0
    borders[j] = at(stretch) + Math.floor(part * (at(stretch + 1) - at(stretch)))
  }
  const clusters = { borders, means: new Float64Array(count) }
  startMeans(values, clusters)
  return clusters
}

/** The values of the affine grid over a range that includes 0. */
function evenlySpaced({ values }: SortedGroup, count: number): Clusters {
  const min = Math.min(0, values[0] ?? 0)
  const max = Math.max(0, values[values.length - 1] ?? 0)
  const step = (max - min) / (count - 1)
  const zero = step === 0 ? 0 : Math.floor(-min / step + 0.5)
  const means = Float64Array.from({ length: count }, (_, j) => (j - zero) * step)
  const borders = new Uint32Array(count + 1)
  borders[count] = values.length
  moveBorders(values, { borders, means })
  return { borders, means }
}

/** Moves each border to the middle between the means beside it; whether one moved. */
export function moveBorders(values: Float64Array, { borders, means }: Clusters): boolean {
  let hasMoved = false
  for (let j = 1; j < means.length; j++) {
    const middle = ((means[j - 1] ?? 0) + (means[j] ?? 0)) * 0.5
    const before = borders[j] ?? 0
    let border = before
    while (border < values.length && (values[border] ?? 0) <= middle) border++
    while (border > 0 && (values[border - 1] ?? 0) > middle) border--
    borders[j] = border
    hasMoved ||= border !== before
  }
  return hasMoved
}

/** Which values each cluster may have where Lloyd's algorithm starts from borders: its first, or the last of all. */
function startMeans(values: Float64Array, { borders, means }: Clusters): void {
  for (let j = 0; j < means.length; j++) means[j] = values[Math.min(borders[j] ?? 0, values.length - 1)] ?? 0
}

/** Lloyd's algorithm from a start, in place; returns what the clusters keep of SUM importance * w^2. */
function improve({ values, importances, products }: SortedGroup, clusters: Clusters): number {
  const { borders, means } = clusters
  let kept = 0
  let iteration = 0
  do {
    kept = 0
    for (let j = 0; j < means.length; j++) {
      const [start = 0, end = 0] = borders.subarray(j, j + 2)
      const importance = (importances[end] ?? 0) - (importances[start] ?? 0)
      const product = (products[end] ?? 0) - (products[start] ?? 0)
      if (!(importance > 0)) continue
      // A difference of sums that an outlier made large may leave the cluster.
      const mean = Math.min(values[end - 1] ?? 0, Math.max(values[start] ?? 0, product / importance))
      means[j] = mean
      kept += product * mean
    }
    iteration++
  } while (moveBorders(values, clusters) && iteration < kMeansIterations)
  return kept
}

/** What the weights [start, end) keep of SUM importance * w^2 as one cluster. */
function keptBy({ importances, products }: SortedGroup, start: number, end: number): number {
  const importance = (importances[end] ?? 0) - (importances[start] ?? 0)
  const product = (products[end] ?? 0) - (products[start] ?? 0)
  return importance > 0 ? (product * product) / importance : 0
}

/** Where a cluster is cut at its mean: its first value above. */
function cutOf({ values, importances, products }: SortedGroup, start: number, end: number): number {
  const importance = (importances[end] ?? 0) - (importances[start] ?? 0)
  if (!(importance > 0)) return end
  const mean = ((products[end] ?? 0) - (products[start] ?? 0)) / importance
  let [low, high] = [start, end]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] ?? 0) <= mean) low = middle + 1
    else high = middle
  }
  return low
}

/** Joins the two neighbours that lose least by it and cuts the cluster that gains most; false where nothing is gained. */
function relocate(group: SortedGroup, clusters: Clusters): boolean {
  const { borders } = clusters
  const count = borders.length - 1
  const kept = (start: number, end: number): number => keptBy(group, borders[start] ?? 0, borders[end] ?? 0)
  let split = -1
  let gain = 0
  let cut = 0
  for (let j = 0; j < count; j++) {
    const [start = 0, end = 0] = borders.subarray(j, j + 2)
    const at = cutOf(group, start, end)
    const gained = keptBy(group, start, at) + keptBy(group, at, end) - keptBy(group, start, end)
    if (!(gained > gain)) continue
    split = j
    gain = gained
    cut = at
  }
  let joined = -1
  let loss = gain
  for (let j = 1; j < count; j++) {
    const lost = kept(j - 1, j) + kept(j, j + 1) - kept(j - 1, j + 1)
    if (!(lost < loss) || split === j - 1 || split === j) continue
    joined = j
    loss = lost
  }
  if (joined < 0) return false
  if (split > joined) {
    borders.copyWithin(joined, joined + 1, split + 1)
    borders[split] = cut
  } else {
    borders.copyWithin(split + 2, split + 1, joined)
    borders[split + 1] = cut
  }
  startMeans(group.values, clusters)
  return true
}

/** The better of two starts, with clusters relocated as long as that helps; the rule is at `KMeansParams`. */
export function bestClusters(group: SortedGroup, count: number): Clusters {
  const first = companded(group, count)
  const second = evenlySpaced(group, count)
  const keptBySecond = improve(group, second)
  let kept = improve(group, first)
  let best = first
  if (keptBySecond > kept) {
    kept = keptBySecond
    best = second
  }
  for (let relocation = 0; relocation < count; relocation++) {
    const next = { borders: best.borders.slice(), means: best.means.slice() }
    if (!relocate(group, next)) break
    const keptByNext = improve(group, next)
    if (!(keptByNext > kept)) break
    kept = keptByNext
    best = next
  }
  return best
}
