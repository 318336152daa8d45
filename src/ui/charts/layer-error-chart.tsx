import { RangeSlider, SegmentedControl } from '@mantine/core'
import { memo, useContext, useMemo, useState } from 'react'
import { CartesianGrid, Line, LineChart, usePlotArea, useXAxisScale, useYAxisScale, XAxis, YAxis, ZIndexLayer } from 'recharts'
import { layerError } from '../format/numbers.ts'
import { ChartMarker, recipeColour, recipeDash } from '../theme/recipe-style.tsx'
import { type Domain, decadeDomain, decadeLabel, decadeTicks } from './axis.ts'
import { blockFromPointer, blockTicks } from './block-axis.ts'
import { ChartCard } from './chart-card.tsx'
import { ChartFrame, stepped } from './chart-frame.tsx'
import { type ChartSource, type ChartTable, fadedOpacity } from './chart-types.ts'
import { LineViewContext } from './chart-view.ts'
import type { LayerSeries } from './layer-series.ts'
import { PointerPlane } from './pointer-plane.tsx'
import { Readout } from './readout.tsx'

export interface LayerErrorChartProps {
  readonly title: string
  readonly subtitle: string
  readonly source: ChartSource
  /** Visible recipes; at most eight. */
  readonly series: readonly LayerSeries[]
  readonly blocks: number
  /** Switch between the mean of a block and one of its linears; no switch without `onRole`. */
  readonly role: string
  readonly roles?: readonly string[]
  readonly onRole?: (role: string) => void
  readonly hovered: string | null
  readonly onHover: (id: string | null) => void
  /** Block under the cursor, shared with charts of the same x axis. */
  readonly cursor: number | null
  readonly onCursor: (block: number | null) => void
  readonly onPin?: (id: string, pin: 'A' | 'B') => void
  readonly isPart?: boolean
  /** Default 272. */
  readonly height?: number
  /** Shows the values at the cursor beside the chart; default true. */
  readonly hasReadout?: boolean
  readonly onFault?: (text: string) => void
}

/** Width kept for the labels of the y axis in all charts over blocks, so that their columns line up. */
export const blockAxisLeft = 64
export const blockAxisRight = 12
const brushAbove = 48

/** Relative output error of every recipe over the blocks, log scale, whole decades. */
export function LayerErrorChart(props: LayerErrorChartProps) {
  const { title, subtitle, source, series, blocks, role, roles = [], onRole, hovered, onHover, cursor, onCursor, onPin } = props
  const { height = 272, hasReadout = true } = props
  const [row, setRow] = useState<string | null>(null)
  const [range, setRange] = useState<readonly [number, number] | null>(null)
  const [from, to] = range === null || range[1] >= blocks ? [0, blocks - 1] : range
  const last = lastMeasured(series)
  // Before anyone points at a block the newest measured one is read out.
  const shown = cursor ?? last
  const ordered = shown === null ? [] : atBlock(series, shown)
  const selected = ordered.find((entry) => entry.id === row) ?? null

  const keys = {
    onAlong: (step: number) => onCursor(stepped(cursor, step, last === null ? 0 : last + 1)),
    onAcross: (step: number) => {
      const at = ordered.findIndex((entry) => entry.id === row)
      const next = stepped(at < 0 ? null : at, step, ordered.length)
      const id = next === null ? null : (ordered[next]?.id ?? null)
      setRow(id)
      onHover(id)
      if (cursor === null) onCursor(last)
    },
    onEnter: () => selected !== null && onPin?.(selected.id, 'B'),
    onPin: (pin: 'A' | 'B') => selected !== null && onPin?.(selected.id, pin),
    onLeave: () => {
      setRow(null)
      onHover(null)
      onCursor(null)
    },
  }
  const spoken = selected ?? ordered[0]
  const sentence =
    shown === null
      ? ''
      : spoken === undefined
        ? `Block ${shown}: nothing measured`
        : `Block ${shown}, ${spoken.id}: ${layerError(spoken.value)}`

  return (
    <ChartCard
      title={title}
      subtitle={subtitle}
      source={source}
      table={tableOf(series, blocks)}
      legend={series}
      isPart={props.isPart ?? false}
      {...(props.onFault === undefined ? {} : { onFault: props.onFault })}
      controls={
        onRole !== undefined && roles.length > 1 ? (
          <SegmentedControl
            size="xs"
            aria-label="Linear"
            value={role}
            onChange={onRole}
            data={[{ value: 'all', label: 'All' }, ...roles.map((name) => ({ value: name, label: name }))]}
          />
        ) : undefined
      }
      readout={
        hasReadout ? (
          <Readout
            title={shown === null ? 'Relative error' : `Block ${shown}, relative error`}
            hovered={hovered}
            rows={ordered.map((entry) => ({ ...entry, value: layerError(entry.value) }))}
          />
        ) : undefined
      }
    >
      <ChartFrame
        summary={`${title}. Lines: relative output error over ${blocks} blocks, logarithmic, of ${series.length} recipes.`}
        height={height}
        keys={keys}
        sentence={sentence}
        hovered={hovered}
        onPointerLeave={() => {
          onCursor(null)
          onHover(null)
        }}
      >
        {(width) => (
          <LineViewContext value={{ hovered, cursor, onHover, onCursor, onPin: onPin ?? null }}>
            <Lines series={series} blocks={blocks} from={from} to={to} width={width} height={height} last={last} />
          </LineViewContext>
        )}
      </ChartFrame>
      {blocks > brushAbove && (
        <RangeSlider
          className="qs-chart-range"
          size="sm"
          min={0}
          max={blocks - 1}
          minRange={4}
          label={null}
          thumbFromLabel="First block shown"
          thumbToLabel="Last block shown"
          value={[from, to]}
          onChange={setRange}
        />
      )}
    </ChartCard>
  )
}

interface LinesProps extends Pick<LayerErrorChartProps, 'series' | 'blocks'> {
  /** First and last block in view. */
  readonly from: number
  readonly to: number
  readonly width: number
  readonly height: number
  readonly last: number | null
}

const Lines = memo(function Lines({ series, blocks, from, to, width, height, last }: LinesProps) {
  const domain = useMemo(() => decadeDomain(series.flatMap((line) => line.values.filter((value) => value !== null))), [series])
  const ticks = decadeTicks(domain, Math.max(3, Math.floor(height / 40)))
  const data = useMemo(
    () =>
      Array.from({ length: to - from + 1 }, (_, index) => from + index).map((block) => ({
        block,
        // A linear kept in float has no error: its line runs along the bottom edge.
        ...Object.fromEntries(series.map((line, index) => [`v${index}`, floored(line.values[block] ?? null, domain[0])])),
      })),
    [series, from, to, domain],
  )
  return (
    <LineChart
      width={width}
      height={height}
      data={data}
      accessibilityLayer={false}
      margin={{ top: 8, right: blockAxisRight, bottom: 0, left: 0 }}
      className="qs-chart"
    >
      <CartesianGrid vertical={false} syncWithTicks />
      <XAxis
        dataKey="block"
        type="number"
        domain={[from - 0.5, to + 0.5]}
        ticks={blockTicks(to - from + 1, width - blockAxisLeft - blockAxisRight).map((block) => block + from)}
        interval={0}
        tickLine={false}
        axisLine={{ className: 'qs-axis-line' }}
        height={26}
        tickMargin={6}
      />
      <YAxis
        type="number"
        scale="log"
        domain={[domain[0], domain[1]]}
        ticks={[...ticks]}
        interval={0}
        tickFormatter={decadeLabel}
        tickLine={false}
        axisLine={false}
        width={blockAxisLeft}
      />
      <BlockCursor />
      {series.map((line, index) => (
        <Line
          key={line.id}
          dataKey={`v${index}`}
          stroke={recipeColour(line.slot)}
          strokeWidth={line.pin === null ? 1.25 : 2.5}
          strokeDasharray={recipeDash(line.slot) ?? 'none'}
          strokeOpacity={line.pin === null ? 0.85 : 1}
          data-series={line.id}
          strokeLinejoin="round"
          className="qs-fade"
          dot={false}
          activeDot={false}
          isAnimationActive={false}
          type="linear"
        />
      ))}
      <Markers series={series} last={last} domain={domain} />
      <Pointer series={series} blocks={blocks} domain={domain} />
    </LineChart>
  )
})

/** Shaded column under the cursor. */
function BlockCursor() {
  const { cursor: block } = useContext(LineViewContext)
  const plot = usePlotArea()
  const x = useXAxisScale()
  const centre = block === null ? undefined : x?.(block)
  if (plot === undefined || centre === undefined || block === null || !isInside(centre, plot)) return null
  const width = (x?.(block + 1) ?? centre) - centre
  return <rect x={centre - width / 2} y={plot.y} width={width} height={plot.height} fill="var(--qs-ink)" opacity={0.06} data-picture="no" />
}

interface MarkersProps {
  readonly series: readonly LayerSeries[]
  readonly last: number | null
  readonly domain: Domain
}

/** Markers where the lines end and at the cursor, so that lines can be told apart without colour. */
function Markers({ series, last, domain }: MarkersProps) {
  const { hovered, cursor: shown } = useContext(LineViewContext)
  const x = useXAxisScale()
  const y = useYAxisScale()
  const plot = usePlotArea()
  if (x === undefined || y === undefined || plot === undefined) return null
  const places = [...new Set([shown, last])].filter((block) => block !== null)
  return (
    <ZIndexLayer zIndex={600}>
      {places.flatMap((block) =>
        series.map((line) => {
          const value = floored(line.values[block] ?? null, domain[0])
          const at = { x: x(block), y: value === null ? undefined : y(value) }
          if (at.x === undefined || at.y === undefined || !isInside(at.x, plot)) return null
          const size = block === shown ? 11 : 8
          return (
            <g key={`${line.id}-${block}`} className="qs-fade" opacity={fadedOpacity(line.id, hovered)}>
              <ChartMarker slot={line.slot} x={at.x} y={at.y} size={size} />
            </g>
          )
        }),
      )}
    </ZIndexLayer>
  )
}

interface PointerProps extends Pick<LayerErrorChartProps, 'series' | 'blocks'> {
  readonly domain: Domain
}

/** Takes the pointer over the whole plot: nearest column, and the nearest line in it. */
function Pointer({ series, blocks, domain }: PointerProps) {
  const { cursor, onCursor, onHover, onPin } = useContext(LineViewContext)
  const plot = usePlotArea()
  const x = useXAxisScale()
  const y = useYAxisScale()
  if (plot === undefined || x === undefined || y === undefined) return null
  const first = x(0)
  const second = x(1)
  const step = first === undefined || second === undefined ? plot.width : second - first
  return (
    <PointerPlane
      plot={plot}
      onMove={(pointerX, pointerY) => {
        const block = blockFromPointer(pointerX + plot.x, { first: first ?? plot.x, step, blocks })
        const height = pointerY + plot.y
        let best: string | null = null
        let least = 18
        for (const line of series) {
          const value = floored(line.values[block] ?? null, domain[0])
          const at = value === null ? undefined : y(value)
          if (at !== undefined && Math.abs(at - height) < least) {
            least = Math.abs(at - height)
            best = line.id
          }
        }
        if (block !== cursor) onCursor(block)
        onHover(best)
        return onPin === null ? null : best
      }}
      onClick={(id, isShifted) => onPin?.(id, isShifted ? 'A' : 'B')}
    />
  )
}

/** The range may have moved a block out of view. */
function isInside(x: number, plot: { readonly x: number; readonly width: number }): boolean {
  return x >= plot.x && x <= plot.x + plot.width
}

function floored(value: number | null, floor: number): number | null {
  return value === null || Number.isNaN(value) ? null : Math.max(value, floor)
}

function lastMeasured(series: readonly LayerSeries[]): number | null {
  let last = -1
  for (const line of series)
    last = Math.max(
      last,
      line.values.findLastIndex((value) => value !== null),
    )
  return last < 0 ? null : last
}

/** Recipes with a value at a block, largest error first. */
function atBlock(series: readonly LayerSeries[], block: number): readonly (LayerSeries & { readonly value: number })[] {
  return series
    .flatMap((line) => {
      const value = line.values[block] ?? null
      return value === null ? [] : [{ ...line, value }]
    })
    .toSorted((a, b) => b.value - a.value)
}

function tableOf(series: readonly LayerSeries[], blocks: number): ChartTable {
  return {
    columns: ['block', ...series.map((line) => line.id)],
    rows: Array.from({ length: blocks }, (_, block) => [block, ...series.map((line) => line.values[block] ?? null)]),
  }
}
