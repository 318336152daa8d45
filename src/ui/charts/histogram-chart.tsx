import { useState } from 'react'
import { BarChart, CartesianGrid, usePlotArea, XAxis, YAxis, ZIndexLayer } from 'recharts'
import { count, significant } from '../format/numbers.ts'
import { type Domain, decadeLabel, decadeTicks } from './axis.ts'
import { BarPath } from './bar-path.tsx'
import { ChartCard } from './chart-card.tsx'
import { ChartFrame, stepped } from './chart-frame.tsx'
import type { ChartSource } from './chart-types.ts'
import { PointerPlane } from './pointer-plane.tsx'

export interface HistogramChartProps {
  readonly title: string
  readonly subtitle: string
  readonly source: ChartSource
  /** Half width of the range: bins are equal over [-limit, limit]. */
  readonly limit: number
  /** Counts; 61 of them. */
  readonly histogram: readonly number[]
  /** Values a grid allows, drawn over the bars: as lines up to 64, as a strip under them beyond. */
  readonly gridValues?: readonly number[]
  readonly isPart?: boolean
  /** Default 170. */
  readonly height?: number
  readonly onFault?: (text: string) => void
}

const left = 36
const linesUpTo = 64
const stripHeight = 8

/** Weights of a tensor, log count, with the values of a grid drawn on them. */
export function HistogramChart(props: HistogramChartProps) {
  const { title, subtitle, source, limit, histogram, gridValues = [], height = 170 } = props
  const [bin, setBin] = useState<number | null>(null)
  const edgeOf = (index: number): number => -limit + (2 * limit * index) / Math.max(1, histogram.length)
  const text =
    bin === null ? '' : `${significant(edgeOf(bin), 3)} to ${significant(edgeOf(bin + 1), 3)}: ${count(histogram[bin] ?? 0)} weights`
  const total = histogram.reduce((sum, value) => sum + value, 0)
  return (
    <ChartCard
      title={title}
      subtitle={subtitle}
      source={source}
      isPart={props.isPart ?? false}
      {...(props.onFault === undefined ? {} : { onFault: props.onFault })}
      table={{
        columns: ['from', 'to', 'weights'],
        rows: histogram.map((value, index) => [edgeOf(index), edgeOf(index + 1), value]),
      }}
    >
      <ChartFrame
        summary={`${title}. Histogram of ${count(total)} weights from ${significant(-limit, 3)} to ${significant(limit, 3)}, logarithmic count${gridValues.length === 0 ? '' : `, with ${count(gridValues.length)} grid values`}.`}
        height={height}
        keys={{ onAlong: (step) => setBin(stepped(bin, step, histogram.length)), onLeave: () => setBin(null) }}
        sentence={text}
        onPointerLeave={() => setBin(null)}
      >
        {(width) => <Bars {...props} gridValues={gridValues} width={width} height={height} bin={bin} onBin={setBin} />}
      </ChartFrame>
      <p className="qs-readout-line">{bin === null ? `${count(total)} weights` : text}</p>
    </ChartCard>
  )
}

interface BarsProps extends HistogramChartProps {
  readonly gridValues: readonly number[]
  readonly width: number
  readonly height: number
  readonly bin: number | null
  readonly onBin: (bin: number | null) => void
}

function Bars({ histogram, limit, gridValues, width, height, bin, onBin }: BarsProps) {
  const top = Math.max(10, ...histogram)
  // Half a weight is the bottom edge, so that a bin of one weight is still seen.
  const domain: Domain = [0.5, top * 1.15]
  return (
    <BarChart
      width={width}
      height={height}
      accessibilityLayer={false}
      margin={{ top: 6, right: 8, bottom: 0, left: 0 }}
      className="qs-chart"
    >
      <CartesianGrid vertical={false} syncWithTicks />
      <XAxis
        type="number"
        tick={false}
        tickLine={false}
        axisLine={{ className: 'qs-axis-line' }}
        height={gridValues.length > linesUpTo ? 32 : 24}
      />
      <YAxis
        type="number"
        scale="log"
        domain={[domain[0], domain[1]]}
        ticks={[...decadeTicks([1, domain[1]], 4)]}
        interval={0}
        tickFormatter={decadeLabel}
        tickLine={false}
        axisLine={false}
        width={left}
        allowDataOverflow
      />
      <BarPath values={histogram} domain={domain} gap={1} />
      <GridValues limit={limit} values={gridValues} />
      <Pointer bins={histogram.length} bin={bin} onBin={onBin} />
    </BarChart>
  )
}

/** The grid's values as lines or as a strip, and the three ticks of the weight axis. */
function GridValues({ limit, values }: { readonly limit: number; readonly values: readonly number[] }) {
  const plot = usePlotArea()
  if (plot === undefined) return null
  const x = (value: number): number => plot.x + ((value + limit) / (2 * limit)) * plot.width
  const bottom = plot.y + plot.height
  const isStrip = values.length > linesUpTo
  const inside = values.filter((value) => Math.abs(value) <= limit * (1 + 1e-9))
  return (
    <ZIndexLayer zIndex={700}>
      {inside.map((value, index) => (
        <line
          // Two values may be equal (−0 and 0).
          key={`${value}-${index}`}
          x1={x(value)}
          x2={x(value)}
          y1={isStrip ? bottom + 2 : plot.y}
          y2={isStrip ? bottom + 2 + stripHeight : bottom + 3}
          stroke="var(--qs-ink)"
          strokeWidth={isStrip ? 0.75 : 1}
        />
      ))}
      {[-limit, 0, limit].map((value, index) => (
        <text key={value} x={x(value)} y={bottom + (isStrip ? 25 : 17)} textAnchor={index === 0 ? 'start' : index === 1 ? 'middle' : 'end'}>
          {value === 0 ? '0' : significant(value, 2)}
        </text>
      ))}
    </ZIndexLayer>
  )
}

interface PointerProps {
  readonly bins: number
  readonly bin: number | null
  readonly onBin: (bin: number | null) => void
}

function Pointer({ bins, bin, onBin }: PointerProps) {
  const plot = usePlotArea()
  if (plot === undefined || bins === 0) return null
  const step = plot.width / bins
  return (
    <>
      {bin !== null && (
        <ZIndexLayer zIndex={1200}>
          <rect
            x={plot.x + bin * step}
            y={plot.y}
            width={step}
            height={plot.height}
            fill="var(--qs-ink)"
            opacity={0.12}
            data-picture="no"
          />
        </ZIndexLayer>
      )}
      <PointerPlane
        plot={plot}
        onMove={(x) => {
          onBin(Math.min(bins - 1, Math.max(0, Math.floor(x / step))))
          return null
        }}
      />
    </>
  )
}
