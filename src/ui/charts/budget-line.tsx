import { type KeyboardEvent, type PointerEvent, useContext } from 'react'
import { usePlotArea, useXAxisInverseScale, useXAxisScale, ZIndexLayer } from 'recharts'
import { bytes as bytesText } from '../format/numbers.ts'
import type { Domain } from './axis.ts'
import { budgetAfterKey, clampBudget } from './budget.ts'
import { ScatterViewContext } from './chart-view.ts'

/** Draggable line of the largest file one would accept; right of it is shaded. */
export function BudgetLine({ domain }: { readonly domain: Domain }) {
  const { budgetBytes, onBudget } = useContext(ScatterViewContext)
  const plot = usePlotArea()
  const scale = useXAxisScale()
  const inverse = useXAxisInverseScale()
  if (plot === undefined || scale === undefined || inverse === undefined) return null
  const right = plot.x + plot.width
  const at = budgetBytes === null ? right : Math.min(right, Math.max(plot.x, scale(budgetBytes) ?? right))
  const text = budgetBytes === null ? 'Drag to set a budget' : `Budget ${bytesText(budgetBytes).replace(/\.0+ /, ' ')}`
  const isLabelLeft = at > plot.x + plot.width - 130

  const drag = (event: PointerEvent<SVGGElement>): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return
    const chart = event.currentTarget.ownerSVGElement?.getBoundingClientRect()
    if (chart === undefined) return
    const value = inverse(Math.min(right, Math.max(plot.x, event.clientX - chart.left)))
    if (typeof value === 'number') onBudget(clampBudget(value, domain))
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = budgetAfterKey(event.key, budgetBytes, domain)
    if (next === undefined) return
    event.preventDefault()
    event.stopPropagation()
    onBudget(next)
  }

  return (
    <>
      {budgetBytes !== null && (
        <ZIndexLayer zIndex={-150}>
          <rect x={at} y={plot.y} width={right - at} height={plot.height} fill="var(--qs-sunk)" opacity={0.55} />
        </ZIndexLayer>
      )}
      <ZIndexLayer zIndex={1400}>
        <g data-picture={budgetBytes === null ? 'no' : 'yes'}>
          {budgetBytes !== null && (
            <line x1={at} x2={at} y1={plot.y} y2={plot.y + plot.height} stroke="var(--qs-ink)" strokeDasharray="3 3" pointerEvents="none" />
          )}
          <text
            className={budgetBytes === null ? 'qs-least' : 'qs-strong'}
            x={isLabelLeft ? at - 10 : at + 11}
            y={plot.y + 5}
            textAnchor={isLabelLeft ? 'end' : 'start'}
            pointerEvents="none"
          >
            {text}
          </text>
          <g
            className="qs-budget-handle"
            role="slider"
            tabIndex={0}
            aria-label="Size budget"
            aria-orientation="horizontal"
            aria-valuemin={Math.round(domain[0])}
            aria-valuemax={Math.round(domain[1])}
            aria-valuenow={Math.round(budgetBytes ?? domain[1])}
            aria-valuetext={budgetBytes === null ? 'no budget' : bytesText(budgetBytes)}
            onKeyDown={onKeyDown}
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId)
              event.preventDefault()
              event.currentTarget.focus({ preventScroll: true })
            }}
            onPointerMove={drag}
          >
            <rect x={at - 22} y={plot.y - 18} width={44} height={44} fill="transparent" />
            {budgetBytes !== null && <rect x={at - 6} y={plot.y} width={12} height={plot.height} fill="transparent" />}
            <rect
              x={at - 5}
              y={plot.y - 7}
              width={10}
              height={16}
              rx={3}
              fill={budgetBytes === null ? 'var(--qs-control)' : 'var(--qs-ink)'}
            />
          </g>
        </g>
      </ZIndexLayer>
    </>
  )
}
