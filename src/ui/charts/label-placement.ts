/** Direct labels of points without collisions: greedy by priority over a fixed list of places around each point. */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface LabelRequest {
  readonly id: string
  /** Centre of the point. */
  readonly x: number
  readonly y: number
  /** Half width of its marker, ring included. */
  readonly radius: number
  readonly width: number
  readonly height: number
  /** Higher is placed first. */
  readonly priority: number
  /** A required label is placed where it hurts least; others are dropped when every place collides. */
  readonly isRequired: boolean
}

export interface PlacedLabel {
  readonly id: string
  /** Top left of the text box. */
  readonly box: Box
  /** End at which the text is anchored to its point. */
  readonly anchor: 'start' | 'middle' | 'end'
}

export interface Segment {
  readonly from: readonly [x: number, y: number]
  readonly to: readonly [x: number, y: number]
}

const gap = 4

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  return width > 0 && height > 0 ? width * height : 0
}

/** Length of the part of a segment inside a box (Liang and Barsky 1984). */
export function lengthInside({ from, to }: Segment, box: Box): number {
  const dx = to[0] - from[0]
  const dy = to[1] - from[1]
  let enter = 0
  let leave = 1
  for (const [direction, distance] of [
    [-dx, from[0] - box.x],
    [dx, box.x + box.width - from[0]],
    [-dy, from[1] - box.y],
    [dy, box.y + box.height - from[1]],
  ] as const) {
    if (direction === 0) {
      if (distance < 0) return 0
    } else if (direction < 0) enter = Math.max(enter, distance / direction)
    else leave = Math.min(leave, distance / direction)
  }
  return enter < leave ? Math.hypot(dx, dy) * (leave - enter) : 0
}

/** Places in order of preference: beside the point first, then above and below, then the corners, then farther out. */
function candidates(label: LabelRequest): readonly PlacedLabel[] {
  const { id, x, y, width, height } = label
  const near = label.radius + gap
  const places: PlacedLabel[] = []
  for (const reach of [0, 10, 20]) {
    const right = x + near
    const left = x - near - width
    const rows = reach === 0 ? [-height / 2] : [-height / 2 - reach, -height / 2 + reach]
    for (const row of rows) {
      places.push({ id, anchor: 'start', box: { x: right, y: y + row, width, height } })
      places.push({ id, anchor: 'end', box: { x: left, y: y + row, width, height } })
    }
    const above = y - near - height - reach + 2
    const below = y + near + reach - 2
    for (const top of [above, below]) {
      places.push({ id, anchor: 'middle', box: { x: x - width / 2, y: top, width, height } })
      places.push({ id, anchor: 'start', box: { x: x - label.radius, y: top, width, height } })
      places.push({ id, anchor: 'end', box: { x: x + label.radius - width, y: top, width, height } })
    }
  }
  return places
}

function outside(box: Box, bounds: Box): number {
  return box.width * box.height - overlap(box, bounds)
}

/**
 * Places labels inside `bounds`, clear of all markers, of `obstacles` and of each other; crossing a line costs less than
 * covering a mark. A label that is not required and finds no clear place is left out.
 */
export function placeLabels(
  labels: readonly LabelRequest[],
  { bounds, obstacles = [], lines = [] }: { bounds: Box; obstacles?: readonly Box[]; lines?: readonly Segment[] },
): readonly PlacedLabel[] {
  const markers = labels.map((label) => ({
    id: label.id,
    box: { x: label.x - label.radius, y: label.y - label.radius, width: 2 * label.radius, height: 2 * label.radius },
  }))
  const placed: PlacedLabel[] = []
  for (const label of labels.toSorted((a, b) => b.priority - a.priority)) {
    let best: PlacedLabel | null = null
    let bestCost = Number.POSITIVE_INFINITY
    for (const [rank, candidate] of candidates(label).entries()) {
      const { box } = candidate
      let clash = 4 * outside(box, bounds)
      for (const marker of markers) clash += 4 * overlap(box, marker.box)
      for (const other of placed) clash += 6 * overlap(box, other.box)
      for (const obstacle of obstacles) clash += 2 * overlap(box, obstacle)
      let cost = clash * 10 + rank
      for (const line of lines) cost += 0.6 * lengthInside(line, box)
      if (clash > 0 && !label.isRequired) continue
      if (cost < bestCost) {
        bestCost = cost
        best = candidate
      }
    }
    if (best !== null) placed.push(best)
  }
  return placed
}
