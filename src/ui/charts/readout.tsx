import type { ReactNode } from 'react'
import { Marker } from '../theme/recipe-style.tsx'
import type { ChartRecipe } from './chart-types.ts'

export interface ReadoutRow extends ChartRecipe {
  readonly value: string
}

export interface ReadoutProps {
  readonly title: string
  readonly rows: readonly ReadoutRow[]
  readonly hovered: string | null
  readonly note?: ReactNode
}

/** Values at the cursor, at a fixed place beside the chart so that nothing covers data. */
export function Readout({ title, rows, hovered, note }: ReadoutProps) {
  return (
    <div className="qs-readout">
      <h3>{title}</h3>
      <ul>
        {rows.map((row) => (
          <li key={row.id} data-pinned={row.pin !== null} data-hovered={row.id === hovered}>
            <Marker slot={row.slot} />
            <span className="qs-readout-name">{row.id}</span>
            <span className="qs-readout-value">{row.value}</span>
          </li>
        ))}
      </ul>
      {note !== undefined && <p className="qs-readout-note">{note}</p>}
    </div>
  )
}

/** Sentence for screen readers when the cursor moves by keyboard; empty while it does not. */
export function LiveSentence({ text }: { readonly text: string }) {
  return (
    <p className="qs-hidden-text" role="status">
      {text}
    </p>
  )
}
