import type { ReactNode } from 'react'
import { useEffect } from 'react'

export interface HeadlineProps {
  /** A finding or a question; also the title of the page. */
  readonly title: string
  readonly children?: ReactNode
  /** At the right, primary last. */
  readonly actions?: ReactNode
}

export const productName = 'Quantization Studio'

/** The one h1 of a screen. Focus moves to it on a step change (see `Frame`). */
export function Headline({ title, children, actions }: HeadlineProps) {
  usePageTitle(title)
  return (
    <div className="qs-headline">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {children === undefined ? null : <p>{children}</p>}
      </div>
      {actions === undefined ? null : <div className="qs-headline-actions">{actions}</div>}
    </div>
  )
}

export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${productName}`
  }, [title])
}
