import type { ReactNode } from 'react'
import { useId } from 'react'

export interface CardProps {
  readonly title: string
  readonly subtitle?: ReactNode
  /** At the right of the title. */
  readonly tools?: ReactNode
  readonly children: ReactNode
  /** Content goes to the edges (tables). */
  readonly isFlush?: boolean
}

/** A titled region of a screen. */
export function Card({ title, subtitle, tools, children, isFlush = false }: CardProps) {
  const id = useId()
  return (
    <section className="qs-card" aria-labelledby={id}>
      <div className="qs-card-head">
        <div>
          <h2 id={id}>{title}</h2>
          {subtitle === undefined ? null : <p>{subtitle}</p>}
        </div>
        {tools === undefined ? null : <div className="qs-card-tools">{tools}</div>}
      </div>
      {isFlush ? children : <div className="qs-card-body">{children}</div>}
    </section>
  )
}
