import { useElementSize, useMergedRef } from '@mantine/hooks'
import { type KeyboardEvent, type ReactNode, useRef, useState } from 'react'
import { useFade } from './chart-view.ts'
import { LiveSentence } from './readout.tsx'

/** What the keys do inside a chart. All are optional. */
export interface ChartKeys {
  /** ← and →, by one; Home and End by ±Infinity. */
  readonly onAlong?: (step: number) => void
  /** ↑ (-1) and ↓ (+1). */
  readonly onAcross?: (step: number) => void
  readonly onEnter?: () => void
  /** A or B while the chart has the focus. */
  readonly onPin?: (pin: 'A' | 'B') => void
  readonly onLeave?: () => void
}

export interface ChartFrameProps {
  /** What a screen reader says on arrival: kind, axes, finding. */
  readonly summary: string
  readonly height: number
  readonly keys: ChartKeys
  /** Value at the cursor as a sentence, said while the chart has the focus. */
  readonly sentence: string
  /** Marks of other series fade while a recipe is under the pointer or the focus. */
  readonly hovered?: string | null
  readonly onPointerLeave?: () => void
  readonly children: (width: number) => ReactNode
}

/**
 * One tab stop around a chart that is drawn for the width at hand. Recharts' own accessibility layer moves along one axis
 * only, so the keys are handled here, alike in all charts.
 */
export function ChartFrame({ summary, height, keys, sentence, hovered = null, onPointerLeave, children }: ChartFrameProps) {
  const { ref, width } = useElementSize<HTMLDivElement>()
  const frame = useRef<HTMLDivElement>(null)
  const both = useMergedRef(ref, frame)
  useFade(frame, hovered)
  const [isFocused, setFocused] = useState(false)
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    // Controls inside the chart (the budget line) have keys of their own.
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return
    const action = actionOf(event.key, keys)
    if (action === undefined) return
    event.preventDefault()
    event.stopPropagation()
    action()
    if (event.key === 'Escape') event.currentTarget.blur()
  }
  return (
    <div
      ref={both}
      className="qs-chart-frame"
      style={{ height }}
      role="application"
      aria-roledescription="chart"
      aria-label={`${summary} Arrow keys move, Escape leaves.`}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onFocus={() => setFocused(true)}
      onBlur={(event) => {
        if (event.target !== event.currentTarget) return
        setFocused(false)
        keys.onLeave?.()
      }}
      onPointerLeave={onPointerLeave}
    >
      {width > 0 && children(width)}
      <LiveSentence text={isFocused ? sentence : ''} />
    </div>
  )
}

function actionOf(key: string, keys: ChartKeys): (() => void) | undefined {
  switch (key) {
    case 'ArrowLeft':
      return keys.onAlong && (() => keys.onAlong?.(-1))
    case 'ArrowRight':
      return keys.onAlong && (() => keys.onAlong?.(1))
    case 'Home':
      return keys.onAlong && (() => keys.onAlong?.(Number.NEGATIVE_INFINITY))
    case 'End':
      return keys.onAlong && (() => keys.onAlong?.(Number.POSITIVE_INFINITY))
    case 'ArrowUp':
      return keys.onAcross && (() => keys.onAcross?.(-1))
    case 'ArrowDown':
      return keys.onAcross && (() => keys.onAcross?.(1))
    case 'Enter':
      return keys.onEnter
    case 'a':
    case 'A':
      return keys.onPin && (() => keys.onPin?.('A'))
    case 'b':
    case 'B':
      return keys.onPin && (() => keys.onPin?.('B'))
    case 'Escape':
      return keys.onLeave ?? (() => undefined)
    default:
      return undefined
  }
}

/** Next index after a step, kept inside 0 … count − 1; starts at the near end. */
export function stepped(current: number | null, step: number, count: number): number | null {
  if (count === 0) return null
  if (current === null) return step > 0 && Number.isFinite(step) ? 0 : step === Number.NEGATIVE_INFINITY ? 0 : count - 1
  return Math.min(count - 1, Math.max(0, current + step))
}
