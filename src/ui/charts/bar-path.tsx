import { usePlotArea } from 'recharts'
import { type Domain, logPosition } from './axis.ts'

interface BarPathProps {
  /** From left to right, equally wide; nothing is drawn for what is not above 0. */
  readonly values: readonly number[]
  /** Of the value axis, which is logarithmic. */
  readonly domain: Domain
  /** Pixels between two bars. */
  readonly gap: number
}

/** Hundreds of bars as one path: Recharts makes several components of every bar, which takes a large part of a second. */
export function BarPath({ values, domain, gap }: BarPathProps) {
  const plot = usePlotArea()
  if (plot === undefined) return null
  const step = plot.width / Math.max(1, values.length)
  const bottom = plot.y + plot.height
  const bars = values.map((value, index) => {
    const height = logPosition(value, domain) * plot.height
    return height > 0
      ? `M${(plot.x + index * step + gap / 2).toFixed(2)} ${bottom}v${(-height).toFixed(2)}h${(step - gap).toFixed(2)}V${bottom}z`
      : ''
  })
  return <path d={bars.join('')} fill="var(--qs-bar)" />
}
