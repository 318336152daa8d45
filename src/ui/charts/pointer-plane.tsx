import { useState } from 'react'
import { type PlotArea, ZIndexLayer } from 'recharts'

export interface PointerPlaneProps {
  readonly plot: PlotArea
  /** Pixels under the plot that count as well: markers sit on its edge. */
  readonly below?: number
  /** Where the pointer is, in pixels from the plot's left upper corner; returns what it points at, if that can be clicked. */
  readonly onMove: (x: number, y: number) => string | null
  readonly onClick?: (id: string, isShifted: boolean) => void
}

/** Takes the pointer over a whole plot, above all that is drawn there, so that small marks need no aim. */
export function PointerPlane({ plot, below = 0, onMove, onClick }: PointerPlaneProps) {
  const [id, setId] = useState<string | null>(null)
  return (
    <ZIndexLayer zIndex={1300}>
      <rect
        x={plot.x}
        y={plot.y}
        width={plot.width}
        height={plot.height + below}
        fill="transparent"
        data-picture="no"
        style={id === null ? undefined : { cursor: 'pointer' }}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect()
          setId(onMove(event.clientX - box.left, event.clientY - box.top))
        }}
        onPointerLeave={() => setId(null)}
        onClick={(event) => {
          if (id !== null) onClick?.(id, event.shiftKey)
        }}
      />
    </ZIndexLayer>
  )
}
