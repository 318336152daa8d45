import { useState } from 'react'
import { BarChart, CartesianGrid, usePlotArea, useYAxisScale, XAxis, YAxis, ZIndexLayer } from 'recharts'
import { count, significant } from '../format/numbers.ts'
import { type Domain, decadeTicks, logPosition } from './axis.ts'
import { BarPath } from './bar-path.tsx'
import { ChartCard } from './chart-card.tsx'
import { ChartFrame, stepped } from './chart-frame.tsx'
import type { ChartSource } from './chart-types.ts'
import { placeLabels } from './label-placement.ts'
import { PointerPlane } from './pointer-plane.tsx'
import { maxPerColumn } from './thin.ts'

export interface LoudChannel {
  readonly channel: number
  readonly ratio: number
}

export interface OutlierChartProps {
  readonly title: string
  readonly subtitle: string
  readonly source: ChartSource
  /** Largest |w| of each channel over the median channel, evenly thinned (maximum kept) when there are fewer than `channels`. */
  readonly ratios: readonly number[]
  readonly channels: number
  /** Loudest first; the first three are labelled. */
  readonly loudest: readonly LoudChannel[]
  readonly isPart?: boolean
  /** Default 170. */
  readonly height?: number
  readonly onFault?: (text: string) => void
}

const left = 36
const right = 8

/** How loud each input channel is: one stick a channel, the maximum where a pixel holds several. */
export function OutlierChart(props: OutlierChartProps) {
  const { title, subtitle, source, ratios, channels, loudest, height = 170 } = props
  const [focus, setFocus] = useState<number | null>(null)
  const [isPointed, setPointed] = useState<LoudChannel | null>(null)
  const shown = isPointed ?? (focus === null ? null : (loudest[focus] ?? null))
  const text = shown === null ? '' : `Channel ${count(shown.channel)}: ${significant(shown.ratio, 3)} times the median`
  const first = loudest[0]
  return (
    <ChartCard
      title={title}
      subtitle={subtitle}
      source={source}
      isPart={props.isPart ?? false}
      {...(props.onFault === undefined ? {} : { onFault: props.onFault })}
      table={{
        columns: ['channel', 'ratio to median'],
        rows: ratios.map((ratio, index) => [Math.floor((index * channels) / Math.max(1, ratios.length)), ratio]),
      }}
    >
      <ChartFrame
        summary={`${title}. Sticks: loudness of ${count(channels)} input channels over the median, logarithmic.${first === undefined ? '' : ` Loudest: channel ${count(first.channel)}, ${significant(first.ratio, 3)} times.`}`}
        height={height}
        keys={{ onAlong: (step) => setFocus(stepped(focus, step, loudest.length)), onLeave: () => setFocus(null) }}
        sentence={text}
        onPointerLeave={() => setPointed(null)}
      >
        {(width) => <Sticks {...props} width={width} height={height} onPoint={setPointed} shown={shown} />}
      </ChartFrame>
      <p className="qs-readout-line">{shown === null ? `${count(channels)} channels` : text}</p>
    </ChartCard>
  )
}

interface SticksProps extends OutlierChartProps {
  readonly width: number
  readonly height: number
  readonly shown: LoudChannel | null
  readonly onPoint: (channel: LoudChannel | null) => void
}

function Sticks({ ratios, channels, loudest, width, height, shown, onPoint }: SticksProps) {
  const sticks = maxPerColumn(ratios, (width - left - right) / 2)
  const positive = ratios.filter((ratio) => ratio > 0)
  const low = positive.length === 0 ? 0.1 : Math.min(0.5, Math.max(0.05, Math.min(...positive.map((ratio) => ratio * 0.8))))
  const high = Math.max(10, ...ratios) * 1.6
  const domain: Domain = [low, high]
  return (
    <BarChart width={width} height={height} accessibilityLayer={false} margin={{ top: 6, right, bottom: 0, left: 0 }} className="qs-chart">
      <CartesianGrid vertical={false} syncWithTicks />
      <XAxis type="number" tick={false} tickLine={false} axisLine={{ className: 'qs-axis-line' }} height={24} />
      <YAxis
        type="number"
        scale="log"
        domain={[domain[0], domain[1]]}
        ticks={[...decadeTicks(domain, 4)]}
        interval={0}
        tickFormatter={(value: number) => String(value)}
        tickLine={false}
        axisLine={false}
        width={left}
        allowDataOverflow
      />
      <BarPath values={sticks.map(({ value }) => value)} domain={domain} gap={0.5} />
      <Loudest loudest={loudest.slice(0, 3)} channels={channels} shown={shown} />
      <Pointer ratios={ratios} channels={channels} domain={domain} onPoint={onPoint} />
    </BarChart>
  )
}

/** The three loudest channels in ink with their numbers, and the ends of the channel axis. */
function Loudest({
  loudest,
  channels,
  shown,
}: {
  readonly loudest: readonly LoudChannel[]
  readonly channels: number
  readonly shown: LoudChannel | null
}) {
  const plot = usePlotArea()
  const y = useYAxisScale()
  if (plot === undefined || y === undefined) return null
  const x = (channel: number): number => plot.x + ((channel + 0.5) / Math.max(1, channels)) * plot.width
  const bottom = plot.y + plot.height
  const marks = shown === null || loudest.some((loud) => loud.channel === shown.channel) ? loudest : [...loudest, shown]
  const placed = placeLabels(
    loudest.map((loud, index) => ({
      id: String(loud.channel),
      x: x(loud.channel),
      y: (y(loud.ratio) ?? plot.y) + 6,
      radius: 1,
      width: `ch ${loud.channel}`.length * 6.4,
      height: 13,
      priority: 3 - index,
      isRequired: index === 0,
    })),
    { bounds: plot },
  )
  return (
    <ZIndexLayer zIndex={700}>
      {marks.map((loud) => (
        <line
          key={loud.channel}
          x1={x(loud.channel)}
          x2={x(loud.channel)}
          y1={y(loud.ratio) ?? bottom}
          y2={bottom}
          stroke="var(--qs-ink)"
          strokeWidth={shown?.channel === loud.channel ? 3 : 2}
        />
      ))}
      {placed.map(({ id, box }) => (
        <text
          key={id}
          className="qs-strong"
          x={box.x}
          y={box.y + 10}
          style={{ paintOrder: 'stroke' }}
          stroke="var(--qs-surface)"
          strokeWidth={3}
        >
          {`ch ${id}`}
        </text>
      ))}
      <text x={plot.x} y={bottom + 17}>
        input channel 0
      </text>
      <text x={plot.x + plot.width} y={bottom + 17} textAnchor="end">
        {count(channels - 1)}
      </text>
    </ZIndexLayer>
  )
}

interface PointerProps extends Pick<OutlierChartProps, 'ratios' | 'channels'> {
  readonly domain: Domain
  readonly onPoint: (channel: LoudChannel | null) => void
}

/** Finds the loudest channel within three pixels of the pointer that reaches up to it. */
function Pointer({ ratios, channels, domain, onPoint }: PointerProps) {
  const plot = usePlotArea()
  if (plot === undefined || ratios.length === 0) return null
  return (
    <PointerPlane
      plot={plot}
      onMove={(x) => {
        const near = (3 / plot.width) * ratios.length
        const at = (x / plot.width) * ratios.length
        let best = -1
        for (let index = Math.max(0, Math.floor(at - near)); index <= Math.min(ratios.length - 1, Math.floor(at + near)); index++) {
          if (best < 0 || (ratios[index] ?? 0) > (ratios[best] ?? 0)) best = index
        }
        const ratio = ratios[best] ?? 0
        const isInk = logPosition(ratio, domain) > 0
        onPoint(isInk ? { channel: Math.floor((best * channels) / ratios.length), ratio } : null)
        return null
      }}
    />
  )
}
