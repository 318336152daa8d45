import { SegmentedControl } from '@mantine/core'
import { memo, useState } from 'react'
import { CartesianGrid, Scatter, ScatterChart, XAxis, YAxis } from 'recharts'
import * as format from '../format/numbers.ts'
import { Marker } from '../theme/recipe-style.tsx'
import { BudgetLine } from './budget-line.tsx'
import { ChartCard } from './chart-card.tsx'
import { ChartFrame, stepped } from './chart-frame.tsx'
import type { ChartSource, ChartTable } from './chart-types.ts'
import { ScatterViewContext } from './chart-view.ts'
import { frontier } from './frontier.ts'
import { lossText, lossTick, type ScatterMeasure, type ScatterPoint, scatterGeometry, sizeTick, sizeUnit } from './scatter-geometry.ts'
import { Backdrop, Labels, NearestPoint, PointMark } from './scatter-layers.tsx'

export interface SizeQualityScatterProps {
  readonly source: ChartSource
  /** Visible recipes; at most eight. */
  readonly points: readonly ScatterPoint[]
  /** What "above …" compares with: `float` or a recipe's id, and its perplexity. */
  readonly baseline: { readonly name: string; readonly perplexity: number }
  readonly measure: ScatterMeasure
  readonly onMeasure: (measure: ScatterMeasure) => void
  readonly budgetBytes: number | null
  readonly onBudget: (bytes: number | null) => void
  readonly hovered: string | null
  readonly onHover: (id: string | null) => void
  readonly onPin: (id: string, pin: 'A' | 'B') => void
  readonly onFault?: (text: string) => void
}

const measures: readonly { readonly value: ScatterMeasure; readonly label: string }[] = [
  { value: 'perplexity', label: 'Perplexity' },
  { value: 'kl', label: 'KL divergence' },
  { value: 'same-top', label: 'Same top token' },
]

/** File size against what quality it costs. Left and lower is better. */
export function SizeQualityScatter(props: SizeQualityScatterProps) {
  const { source, points, baseline, measure, onMeasure, budgetBytes, onBudget, hovered, onHover, onPin } = props
  const [focused, setFocused] = useState<string | null>(null)
  const bySize = points.toSorted((a, b) => a.bytes - b.bytes || a.above.value - b.above.value)
  const byLoss = points.toSorted((a, b) => a.above.value - b.above.value)
  const move = (order: readonly ScatterPoint[], step: number): void => {
    const at = order.findIndex((point) => point.id === focused)
    const next = stepped(at < 0 ? null : at, step, order.length)
    const id = next === null ? null : (order[next]?.id ?? null)
    setFocused(id)
    onHover(id)
  }
  const point = (id: string | null): void => {
    setFocused(null)
    onHover(id)
  }
  const shown = points.find((candidate) => candidate.id === (focused ?? hovered)) ?? null
  const keys = {
    onAlong: (step: number) => move(bySize, step),
    onAcross: (step: number) => move(byLoss, -step),
    onEnter: () => focused !== null && onPin(focused, 'B'),
    onPin: (pin: 'A' | 'B') => focused !== null && onPin(focused, pin),
    onLeave: () => {
      setFocused(null)
      onHover(null)
    },
  }

  return (
    <ChartCard
      title="Size against quality"
      subtitle={subtitles[measure]}
      source={source}
      table={tableOf(points, baseline.name)}
      {...(props.onFault === undefined ? {} : { onFault: props.onFault })}
      controls={
        <SegmentedControl
          size="xs"
          aria-label="Measure"
          value={measure}
          onChange={(value) => onMeasure(measures.find((candidate) => candidate.value === value)?.value ?? 'perplexity')}
          data={[...measures]}
        />
      }
    >
      <ChartFrame
        summary={summaryOf(points, measure, baseline.name)}
        height={404}
        keys={keys}
        sentence={shown === null ? '' : `${shown.id}${shown.pin === null ? '' : `, pinned as ${shown.pin}`}: ${pointText(shown)}`}
        hovered={hovered}
        onPointerLeave={() => onHover(null)}
      >
        {(width) => (
          <ScatterViewContext value={{ hovered, budgetBytes, onBudget, onPoint: point, onPin }}>
            <Plot points={points} baseline={baseline} measure={measure} width={width} height={404} />
          </ScatterViewContext>
        )}
      </ChartFrame>
      <PointLine point={shown} />
    </ChartCard>
  )
}

interface PlotProps extends Pick<SizeQualityScatterProps, 'points' | 'baseline' | 'measure'> {
  readonly width: number
  readonly height: number
}

const Plot = memo(function Plot({ points, baseline, measure, width, height }: PlotProps) {
  const isNarrow = width < 520
  const left = isNarrow ? 50 : 58
  const right = measure === 'perplexity' ? (isNarrow ? 46 : 54) : 16
  const geometry = scatterGeometry(points, measure, { width: width - left - right, height: height - 70 })
  const { unit, bytes: unitBytes } = sizeUnit(geometry.x)
  const edge = frontier(geometry.points.map((point) => ({ id: point.id, size: point.bytes, loss: point.loss })))
  return (
    <ScatterChart
      width={width}
      height={height}
      accessibilityLayer={false}
      margin={{ top: 20, right, bottom: 22, left: 0 }}
      className="qs-chart"
    >
      <CartesianGrid vertical={false} syncWithTicks />
      <XAxis
        dataKey="bytes"
        type="number"
        domain={[geometry.x[0], geometry.x[1]]}
        ticks={[...geometry.xTicks]}
        interval={0}
        tickFormatter={(value: number) => sizeTick(value, geometry.xTicks, unitBytes)}
        axisLine={{ className: 'qs-axis-line' }}
        tickLine={{ className: 'qs-axis-line' }}
        tickSize={5}
        height={28}
      />
      <YAxis
        dataKey="loss"
        type="number"
        scale={geometry.isLog ? 'log' : 'linear'}
        domain={[geometry.y[0], geometry.y[1]]}
        ticks={[...geometry.yTicks]}
        interval={0}
        tickFormatter={(value: number) => lossTick(value, measure, geometry.yTicks)}
        axisLine={false}
        tickLine={false}
        width={left}
      />
      <Backdrop
        geometry={geometry}
        measure={measure}
        baseline={baseline}
        edge={edge}
        axisTitle={`File size, ${unit}`}
        isNarrow={isNarrow}
      />
      {geometry.points.map((plotted) => {
        const point = points.find((candidate) => candidate.id === plotted.id)
        return (
          <Scatter
            key={plotted.id}
            data={[plotted]}
            isAnimationActive={false}
            shape={({ cx, cy }: { cx?: number | undefined; cy?: number | undefined }) => (
              <PointMark plotted={plotted} slot={point?.slot ?? null} isPinned={point?.pin !== null} x={cx ?? 0} y={cy ?? 0} />
            )}
          />
        )
      })}
      <Labels points={points} plotted={geometry.points} edge={edge} isNarrow={isNarrow} />
      <NearestPoint plotted={geometry.points} />
      <BudgetLine domain={geometry.x} />
    </ScatterChart>
  )
})

/** The fixed readout: all figures of one recipe in one line under the chart. */
function PointLine({ point }: { readonly point: ScatterPoint | null }) {
  return (
    <p className="qs-readout-line">
      {point === null ? (
        'Point at a recipe to read it; click pins it as B, Shift click as A.'
      ) : (
        <>
          <b>
            <Marker slot={point.slot} />
            {point.id}
          </b>
          <span>{pointText(point)}</span>
        </>
      )}
    </p>
  )
}

function pointText(point: ScatterPoint): string {
  return [
    format.bytes(point.bytes),
    `perplexity ${format.perplexity(point.perplexity.value)} ${format.plusMinus(point.perplexity.error)}`,
    lossText(point, 'perplexity'),
    `KL ${format.divergence(point.klDivergence.value)}`,
    lossText(point, 'same-top'),
  ].join(', ')
}

const subtitles: Readonly<Record<ScatterMeasure, string>> = {
  perplexity: 'Left and lower is better, log scale. Bars: ± one error of the change.',
  kl: 'Left and lower is better, nats, log scale. Bars: ± one error.',
  'same-top': 'Left and lower is better. Share of tokens that float would choose too.',
}

function summaryOf(points: readonly ScatterPoint[], measure: ScatterMeasure, baseline: string): string {
  const name =
    measure === 'perplexity'
      ? `perplexity above ${baseline}, logarithmic`
      : measure === 'kl'
        ? 'KL divergence from float, logarithmic'
        : 'same top token'
  const a = points.find((point) => point.pin === 'A')
  const finding = a === undefined ? '' : ` A is ${a.id}: ${format.bytes(a.bytes)}, ${lossText(a, measure)}.`
  return `Scatter of file size against ${name}, ${points.length} recipes.${finding}`
}

function tableOf(points: readonly ScatterPoint[], baseline: string): ChartTable {
  return {
    columns: [
      'recipe',
      'bytes',
      'perplexity',
      'perplexity error',
      `above ${baseline}`,
      'above error',
      'KL mean',
      'KL mean error',
      'same top token',
      'same top error',
    ],
    rows: points.map((point) => [
      point.id,
      point.bytes,
      point.perplexity.value,
      point.perplexity.error,
      point.above.value,
      point.above.error,
      point.klDivergence.value,
      point.klDivergence.error,
      point.sameTopToken.value,
      point.sameTopToken.error,
    ]),
  }
}
