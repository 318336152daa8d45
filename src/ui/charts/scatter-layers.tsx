import { useContext } from 'react'
import { usePlotArea, useXAxisScale, useYAxisScale, ZIndexLayer } from 'recharts'
import { ChartMarker, recipeColour } from '../theme/recipe-style.tsx'
import { fadedOpacity } from './chart-types.ts'
import { ScatterViewContext } from './chart-view.ts'
import type { TradeOff } from './frontier.ts'
import { type Box, type LabelRequest, placeLabels, type Segment } from './label-placement.ts'
import { PointerPlane } from './pointer-plane.tsx'
import { type PlottedPoint, perplexityTick, type ScatterGeometry, type ScatterMeasure, type ScatterPoint } from './scatter-geometry.ts'

interface BackdropProps {
  readonly geometry: ScatterGeometry
  readonly measure: ScatterMeasure
  readonly baseline: { readonly name: string; readonly perplexity: number }
  readonly edge: readonly TradeOff[]
  readonly axisTitle: string
  readonly isNarrow: boolean
}

/** Band, bottom edge, frontier and the second axis: everything that is not a recipe. */
export function Backdrop({ geometry, measure, baseline, edge, axisTitle, isNarrow }: BackdropProps) {
  const plot = usePlotArea()
  const x = useXAxisScale()
  const y = useYAxisScale()
  if (plot === undefined || x === undefined || y === undefined) return null
  const bottom = plot.y + plot.height
  const right = plot.x + plot.width
  const band = geometry.band === null ? null : (y(geometry.band) ?? null)
  const line = edge.map((point) => `${x(point.size) ?? 0},${y(point.loss) ?? 0}`).join(' ')
  return (
    <>
      <ZIndexLayer zIndex={-140}>
        {band !== null && <rect x={plot.x} y={band} width={plot.width} height={bottom - band} fill="var(--qs-sunk)" />}
      </ZIndexLayer>
      <polyline points={line} fill="none" stroke="var(--qs-control)" strokeWidth={1.25} />
      {band !== null && bottom - band > 16 && (
        <text className="qs-least" x={plot.x + 8} y={band + 14}>
          {`same as ${baseline.name}, within error`}
        </text>
      )}
      <text x={plot.x - 8} y={bottom + 4} textAnchor="end">
        {measure === 'same-top' ? '100 %' : baseline.name === 'float' || measure === 'kl' ? 'float' : 'baseline'}
      </text>
      {measure === 'perplexity' && (
        <g className="qs-least">
          <text x={right + 8} y={bottom + 4}>
            {perplexityTick(0, baseline.perplexity, geometry.yTicks)}
          </text>
          {geometry.yTicks.map((tick) => (
            <text key={tick} x={right + 8} y={(y(tick) ?? 0) + 4}>
              {perplexityTick(tick, baseline.perplexity, geometry.yTicks)}
            </text>
          ))}
        </g>
      )}
      <text className="qs-axis-title" x={plot.x + plot.width / 2} y={bottom + (isNarrow ? 40 : 44)} textAnchor="middle">
        {axisTitle}
      </text>
    </>
  )
}

interface PointMarkProps {
  readonly plotted: PlottedPoint
  readonly slot: number | null
  readonly isPinned: boolean
  readonly x: number
  readonly y: number
}

/** A recipe: error bar, marker, and a ring when it is pinned. */
export function PointMark({ plotted, slot, isPinned, x, y }: PointMarkProps) {
  const scale = useYAxisScale()
  const low = scale?.(plotted.loss - plotted.below) ?? y
  const high = scale?.(plotted.loss + plotted.above) ?? y
  return (
    <g className="qs-fade" data-series={plotted.id}>
      <line x1={x} x2={x} y1={low} y2={high} stroke={recipeColour(slot)} strokeWidth={1.5} />
      {isPinned && <circle cx={x} cy={y} r={11} fill="none" stroke="var(--qs-ink)" strokeWidth={1.5} />}
      <ChartMarker slot={slot} x={x} y={y} size={13} />
    </g>
  )
}

interface LabelsProps {
  readonly points: readonly ScatterPoint[]
  readonly plotted: readonly PlottedPoint[]
  readonly edge: readonly TradeOff[]
  readonly isNarrow: boolean
}

/** Direct labels. Narrow charts name the frontier, the extremes and, by letter, the pins. */
export function Labels({ points, plotted, edge, isNarrow }: LabelsProps) {
  const { hovered, budgetBytes } = useContext(ScatterViewContext)
  const plot = usePlotArea()
  const x = useXAxisScale()
  const y = useYAxisScale()
  if (plot === undefined || x === undefined || y === undefined) return null
  const at = (size: number, loss: number): readonly [number, number] => [x(size) ?? 0, y(loss) ?? 0]
  const onEdge = new Set(edge.map((point) => point.id))
  const worst = plotted.reduce<PlottedPoint | null>((worse, point) => (worse === null || point.loss > worse.loss ? point : worse), null)
  const text = new Map<string, string>()
  const requests: LabelRequest[] = []
  const unlabelled: Box[] = []
  for (const place of plotted) {
    const pin = points.find((point) => point.id === place.id)?.pin ?? null
    const isKept = !isNarrow || pin !== null || onEdge.has(place.id) || place === worst || place.id === hovered
    if (!isKept) {
      const [px, py] = at(place.bytes, place.loss)
      unlabelled.push({ x: px - 7, y: py - 7, width: 14, height: 14 })
      continue
    }
    const label = isNarrow && pin !== null && place.id !== hovered ? pin : pin === null ? place.id : `${place.id} · ${pin}`
    text.set(place.id, label)
    const [px, py] = at(place.bytes, place.loss)
    requests.push({
      id: place.id,
      x: px,
      y: py,
      radius: pin === null ? 7 : 11,
      width: label.length * 6.75,
      height: 14,
      priority: (pin === null ? 0 : 4) + (onEdge.has(place.id) ? 2 : 0) + (place === worst ? 1 : 0),
      isRequired: pin !== null || !isNarrow || onEdge.has(place.id),
    })
  }
  const lines: Segment[] = edge.slice(1).map((point, index) => {
    const from = edge[index] ?? point
    return { from: at(from.size, from.loss), to: at(point.size, point.loss) }
  })
  for (const place of plotted) {
    lines.push({ from: at(place.bytes, place.loss - place.below), to: at(place.bytes, place.loss + place.above) })
  }
  const budget = budgetBytes === null ? undefined : x(budgetBytes)
  if (budget !== undefined) lines.push({ from: [budget, plot.y], to: [budget, plot.y + plot.height] })
  const budgetLabel = budget === undefined ? [] : [{ x: budget - 6, y: plot.y - 8, width: 130, height: 20 }]
  const placed = placeLabels(requests, { bounds: plot, obstacles: [...budgetLabel, ...unlabelled], lines })
  return (
    <ZIndexLayer zIndex={700}>
      {placed.map(({ id, box, anchor }) => (
        <text
          key={id}
          className={`qs-label qs-fade${points.some((point) => point.id === id && point.pin !== null) ? ' qs-label-pinned' : ''}`}
          x={anchor === 'start' ? box.x : anchor === 'end' ? box.x + box.width : box.x + box.width / 2}
          y={box.y + 11}
          textAnchor={anchor}
          opacity={fadedOpacity(id, hovered)}
          pointerEvents="none"
        >
          {text.get(id)}
        </text>
      ))}
    </ZIndexLayer>
  )
}

const reach = 36

/** Takes the pointer over the plot and finds the nearest point, so that small markers need no aim. */
export function NearestPoint({ plotted }: { readonly plotted: readonly PlottedPoint[] }) {
  const { onPoint, onPin } = useContext(ScatterViewContext)
  const plot = usePlotArea()
  const x = useXAxisScale()
  const y = useYAxisScale()
  if (plot === undefined || x === undefined || y === undefined) return null
  return (
    <PointerPlane
      plot={plot}
      below={8}
      onMove={(pointerX, pointerY) => {
        const px = pointerX + plot.x
        const py = pointerY + plot.y
        let best: string | null = null
        let least = reach
        for (const point of plotted) {
          const distance = Math.hypot((x(point.bytes) ?? 0) - px, (y(point.loss) ?? 0) - py)
          if (distance < least) {
            least = distance
            best = point.id
          }
        }
        onPoint(best)
        return best
      }}
      onClick={(id, isShifted) => onPin(id, isShifted ? 'A' : 'B')}
    />
  )
}
