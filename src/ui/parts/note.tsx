import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import type { Fault } from '../../state/fault.ts'
import { faultDetails } from '../../state/fault.ts'
import { notify } from '../../state/ui-store.ts'
import { Icon, type IconName } from './icon.tsx'

export interface NoteProps {
  readonly title: string
  readonly children?: ReactNode
  readonly tone?: 'plain' | 'warning' | 'fault'
  readonly icon?: IconName
  readonly actions?: ReactNode
  /** Read out at once: for what a person waits for. */
  readonly isAlert?: boolean
}

/** A card that says something: what happened, what is safe, what to do. */
export function Note({ title, children, tone = 'plain', icon, actions, isAlert = false }: NoteProps) {
  return (
    <div className="qs-note" data-tone={tone} role={isAlert ? 'alert' : undefined}>
      <Icon name={icon ?? (tone === 'plain' ? 'info' : 'warning')} />
      <div>
        <h3>{title}</h3>
        {children === undefined ? null : <p>{children}</p>}
        {actions === undefined ? null : <div className="qs-note-actions">{actions}</div>}
      </div>
    </div>
  )
}

/** A fault with its remedy, and "Copy details". */
export function FaultNote({ fault, actions }: { readonly fault: Fault; readonly actions?: ReactNode }) {
  const copy = (): void => {
    navigator.clipboard.writeText(faultDetails(fault)).then(
      () => notify('Details copied.'),
      () => notify('This browser did not let the page write to the clipboard.'),
    )
  }
  return (
    <Note
      title={fault.title}
      tone="fault"
      isAlert
      actions={
        <>
          {actions}
          <Button size="xs" variant="subtle" onClick={copy}>
            Copy details
          </Button>
        </>
      }
    >
      {fault.message} {fault.remedy}
    </Note>
  )
}
