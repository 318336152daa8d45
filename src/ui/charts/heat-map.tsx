import { memo, type ReactNode, useState } from 'react'
import { layerError } from '../format/numbers.ts'
import { ChartMarker } from '../theme/recipe-style.tsx'
import { type Domain, decadeDomain } from './axis.ts'
import { blockTicks } from './block-axis.ts'
import { ChartCard } from './chart-card.tsx'
import { ChartFrame, stepped } from './chart-frame.tsx'
import type { ChartRecipe, ChartSource } from './chart-types.ts'
import { heatStep, heatSteps } from './heat.ts'
import { blockAxisLeft, blockAxisRight } from './layer-error-chart.tsx'

export interface HeatRow extends ChartRecipe {
  /** Tick text: `4.50 bit`. */
  readonly label: string
  readonly bitsPerWeight: number
  /** By block; `null` where nothing is measured. */
  readonly values: readonly (number | null)[]
}

export interface HeatMapProps {
  readonly title: string
  readonly subtitle: string
  readonly source: ChartSource
  /** From the top: most bits first. */
  readonly rows: readonly HeatRow[]
  readonly blocks: number
  readonly cursor: number | null
  readonly onCursor: (block: number | null) => void
  readonly onHover: (id: string | null) => void
  readonly hovered: string | null
  /** Enter or click on a cell: give this block the width of this row. */
  readonly onOverride?: (block: number, id: string) => void
  /** What Enter does, as a sentence under the ramp. */
  readonly overrideNote?: ReactNode
  readonly isPart?: boolean
  readonly onFault?: (text: string) => void
}

const rowHeight = 22
const axisHeight = 26

/** Error of every block at every width, one hue, log ramp fixed for the model; same columns as the layer chart. */
export function HeatMap(props: HeatMapProps) {
  const { title, subtitle, source, rows, blocks, cursor, onCursor, onHover, hovered, onOverride, overrideNote } = props
  const [rowId, setRow] = useState<string | null>(null)
  const domain = decadeDomain(rows.flatMap((row) => row.values.filter((value) => value !== null)))
  const height = rows.length * rowHeight + axisHeight
  const active = rowId ?? hovered
  const activeRow = rows.find((row) => row.id === active) ?? null
  const value = cursor === null || activeRow === null ? null : (activeRow.values[cursor] ?? null)
  const cellText =
    cursor === null || activeRow === null
      ? null
      : `Block ${cursor} at ${activeRow.label}: ${value === null ? 'not measured' : layerError(value)}`
  const choose = (id: string | null): void => {
    setRow(id)
    onHover(id)
  }

  const keys = {
    onAlong: (step: number) => {
      onCursor(stepped(cursor, step, blocks))
      if (activeRow === null) choose(rows[0]?.id ?? null)
    },
    onAcross: (step: number) => {
      const at = rows.findIndex((row) => row.id === active)
      const next = stepped(at < 0 ? null : at, step, rows.length)
      choose(next === null ? null : (rows[next]?.id ?? null))
      if (cursor === null) onCursor(0)
    },
    onEnter: () => {
      if (cursor !== null && activeRow !== null) onOverride?.(cursor, activeRow.id)
    },
    onLeave: () => {
      choose(null)
      onCursor(null)
    },
  }

  return (
    <ChartCard
      title={title}
      subtitle={subtitle}
      source={source}
      legend={rows}
      isPart={props.isPart ?? false}
      table={{
        columns: ['recipe', 'bits per weight', ...Array.from({ length: blocks }, (_, block) => `block ${block}`)],
        rows: rows.map((row) => [row.id, row.bitsPerWeight, ...Array.from({ length: blocks }, (_, block) => row.values[block] ?? null)]),
      }}
      {...(props.onFault === undefined ? {} : { onFault: props.onFault })}
      readout={
        <div>
          <div className="qs-ramp-ends">
            <span>{layerError(domain[0])}</span>
            <span>{layerError(Math.sqrt(domain[0] * domain[1]))}</span>
            <span>{layerError(domain[1])}</span>
          </div>
          <div className="qs-ramp" aria-hidden="true">
            {Array.from({ length: heatSteps }, (_, step) => (
              <i key={`step-${step}`} style={{ background: `var(--qs-heat-${step})` }} />
            ))}
          </div>
          <p className="qs-readout-note">{cellText === null ? 'Point at a cell to read it.' : `${cellText}.`}</p>
          {overrideNote !== undefined && <p className="qs-readout-note">{overrideNote}</p>}
        </div>
      }
    >
      <ChartFrame
        summary={`${title}. Heat map of ${rows.length} recipes by ${blocks} blocks, logarithmic; darker in the light theme and lighter in the dark one is more error.`}
        height={height}
        keys={keys}
        sentence={cellText ?? ''}
        onPointerLeave={() => {
          choose(null)
          onCursor(null)
        }}
      >
        {(width) => <Cells {...props} width={width} height={height} domain={domain} active={active} choose={choose} />}
      </ChartFrame>
    </ChartCard>
  )
}

interface CellsProps extends HeatMapProps {
  readonly width: number
  readonly height: number
  readonly domain: Domain
  readonly active: string | null
  readonly choose: (id: string | null) => void
}

function Cells({ rows, blocks, cursor, onCursor, onOverride, width, height, domain, active, choose }: CellsProps) {
  const plot = Math.max(1, width - blockAxisLeft - blockAxisRight)
  const column = plot / Math.max(1, blocks)
  const activeIndex = rows.findIndex((row) => row.id === active)
  const place = (event: { clientX: number; clientY: number; currentTarget: Element }): readonly [number, number] => {
    const box = event.currentTarget.getBoundingClientRect()
    const block = Math.min(blocks - 1, Math.max(0, Math.floor((event.clientX - box.left) / column)))
    const row = Math.min(rows.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / rowHeight)))
    return [block, row]
  }
  return (
    <svg className="qs-chart" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <Grid rows={rows} blocks={blocks} width={width} height={height} domain={domain} />
      {cursor !== null && (
        <g data-picture="no" fill="none">
          <rect
            x={blockAxisLeft + cursor * column - 0.5}
            y={-0.5}
            width={column}
            height={rows.length * rowHeight}
            stroke="var(--qs-ink)"
            opacity={0.55}
          />
          {activeIndex >= 0 && (
            <g transform={`translate(${blockAxisLeft + cursor * column} ${activeIndex * rowHeight})`}>
              <rect x={2} y={2} width={Math.max(1, column - 5)} height={rowHeight - 5} rx={2} stroke="var(--qs-surface)" strokeWidth={4} />
              <rect x={2} y={2} width={Math.max(1, column - 5)} height={rowHeight - 5} rx={2} stroke="var(--qs-ink)" strokeWidth={1.5} />
            </g>
          )}
        </g>
      )}
      <rect
        x={blockAxisLeft}
        y={0}
        width={plot}
        height={rows.length * rowHeight}
        fill="transparent"
        data-picture="no"
        onPointerMove={(event) => {
          const [block, row] = place(event)
          if (block !== cursor) onCursor(block)
          choose(rows[row]?.id ?? null)
        }}
        onClick={(event) => {
          const [block, row] = place(event)
          const id = rows[row]?.id
          if (id !== undefined) onOverride?.(block, id)
        }}
      />
    </svg>
  )
}

interface GridProps extends Pick<HeatMapProps, 'rows' | 'blocks'> {
  readonly width: number
  readonly height: number
  readonly domain: Domain
}

const isSameGrid = (one: GridProps, other: GridProps): boolean =>
  one.rows === other.rows && one.blocks === other.blocks && one.width === other.width && one.height === other.height

/** The cells and their axes: drawn when the numbers change, not when the pointer moves. */
const Grid = memo(function Grid({ rows, blocks, width, height, domain }: GridProps) {
  const plot = Math.max(1, width - blockAxisLeft - blockAxisRight)
  const column = plot / Math.max(1, blocks)
  const gap = column > 6 ? 1 : 0
  return (
    <>
      {rows.map((row, index) => (
        <g key={row.id} transform={`translate(0 ${index * rowHeight})`}>
          <ChartMarker slot={row.slot} x={4} y={rowHeight / 2 - 0.5} size={9} />
          <text x={blockAxisLeft - 6} y={rowHeight / 2 + 4} textAnchor="end">
            {row.label}
          </text>
          {Array.from({ length: blocks }, (_, block) => {
            const value = row.values[block] ?? null
            return (
              <rect
                // Blocks are numbered; the number is the identity.
                key={`block-${block}`}
                x={blockAxisLeft + block * column}
                y={0}
                width={Math.max(0.5, column - gap)}
                height={rowHeight - 1}
                fill={value === null ? 'var(--qs-sunk)' : `var(--qs-heat-${heatStep(value, domain)})`}
                style={{ forcedColorAdjust: 'none' }}
              />
            )
          })}
        </g>
      ))}
      {blockTicks(blocks, plot).map((block) => (
        <text key={block} x={blockAxisLeft + (block + 0.5) * column} y={height - 6} textAnchor="middle">
          {block}
        </text>
      ))}
    </>
  )
}, isSameGrid)
