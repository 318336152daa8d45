import type { CSSProperties } from 'react'

/** Marker outlines by slot in a 12 x 12 box: circle, square, triangle, diamond, plus, triangle down, hexagon, cross. */
export const markerPaths: readonly string[] = [
  'M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1z',
  'M1.5 1.5h9v9h-9z',
  'M6 .8 11.6 10.8H.4z',
  'M6 0l6 6-6 6-6-6z',
  'M4.3.8h3.4v3.5h3.5v3.4H7.7v3.5H4.3V7.7H.8V4.3h3.5z',
  'M6 11.2.4 1.2h11.2z',
  'M3.2 1h5.6l2.9 5-2.9 5H3.2L.3 6z',
  'M2.6.6 6 4 9.4.6l2 2L8 6l3.4 3.4-2 2L6 8l-3.4 3.4-2-2L4 6 .6 2.6z',
]

/** Grey ring of a ninth recipe. */
const ringPath = 'M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1zm0 2a3 3 0 1 0 0 6 3 3 0 0 0 0-6z'

/** `stroke-dasharray` by slot; solid lines have none. */
const dashes: readonly (string | undefined)[] = [undefined, '7 3', undefined, '2 3', '9 3 2 3', '4 4', '12 3', '1 3']

/** Colour of a slot as a CSS variable, so that it follows the theme; grey without a slot. */
export const recipeColour = (slot: number | null): string => (slot === null ? 'var(--qs-ink-3)' : `var(--qs-recipe-${slot})`)
export const recipeDash = (slot: number | null): string | undefined => (slot === null ? '1 2' : dashes[slot])
export const markerPath = (slot: number | null): string => (slot === null ? ringPath : (markerPaths[slot] ?? ringPath))

export interface MarkerProps {
  readonly slot: number | null
  /** Pixels; default 11. */
  readonly size?: number
  readonly style?: CSSProperties
}

/** A recipe's marker beside its name: decoration, since the name says the same. */
export function Marker({ slot, size = 11, style }: MarkerProps) {
  return (
    <svg
      className="qs-marker"
      width={size}
      height={size}
      viewBox="0 0 12 12"
      aria-hidden="true"
      style={{ color: recipeColour(slot), flex: 'none', ...style }}
    >
      <path d={markerPath(slot)} fill="currentColor" />
    </svg>
  )
}

export interface ChartMarkerProps {
  readonly slot: number | null
  /** Centre, in chart pixels. */
  readonly x: number
  readonly y: number
  readonly size?: number
  readonly opacity?: number
}

/** The same marker inside a chart's SVG. */
export function ChartMarker({ slot, x, y, size = 12, opacity = 1 }: ChartMarkerProps) {
  const scale = size / 12
  return (
    <path
      d={markerPath(slot)}
      transform={`translate(${x - 6 * scale} ${y - 6 * scale}) scale(${scale})`}
      fill={recipeColour(slot)}
      opacity={opacity}
    />
  )
}

/** Float in legends: a dashed ink line, never a colour. */
export function FloatMark() {
  return <i className="qs-float-mark" aria-hidden="true" />
}
