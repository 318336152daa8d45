import type { ReactNode } from 'react'
import { usePageTitle } from './headline.tsx'
import { Icon } from './icon.tsx'

/** Names and values, two columns. */
export function Pairs({ pairs }: { readonly pairs: readonly (readonly [name: string, value: ReactNode])[] }) {
  return <dl className="qs-pairs">{pairs.map(([name, value]) => [<dt key={`${name}.`}>{name}</dt>, <dd key={name}>{value}</dd>])}</dl>
}

/** Determinate progress, 0 to 1; `null` while nothing is known. */
export function Progress({ value, label }: { readonly value: number | null; readonly label: string }) {
  const percent = value === null ? undefined : Math.floor(Math.min(1, Math.max(0, value)) * 100)
  return (
    <div className="qs-progress" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <i style={{ width: `${percent ?? 0}%` }} />
    </div>
  )
}

export function PinBadge({ pin }: { readonly pin: 'a' | 'b' }) {
  return (
    <span className="qs-pin" aria-hidden="true">
      {pin.toUpperCase()}
    </span>
  )
}

/** A reason below a choice. */
export function Why({ id, children }: { readonly id?: string; readonly children: ReactNode }) {
  return (
    <p className="qs-why" id={id}>
      <Icon name="info" />
      <span>{children}</span>
    </p>
  )
}

export interface EmptyStateProps {
  readonly title: string
  readonly children: ReactNode
  readonly actions: ReactNode
}

/** A step without data: what it is for and the way to it. The screen's h1 is its title. */
export function EmptyState({ title, children, actions }: EmptyStateProps) {
  usePageTitle(title)
  return (
    <div className="qs-card qs-empty">
      <h1 tabIndex={-1}>{title}</h1>
      <p className="qs-muted">{children}</p>
      <div className="qs-row">{actions}</div>
    </div>
  )
}
