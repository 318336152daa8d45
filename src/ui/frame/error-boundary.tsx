import { Button } from '@mantine/core'
import { Component, type ReactNode } from 'react'
import { type Fault, faultOf } from '../../state/fault.ts'
import { FaultNote } from '../parts/note.tsx'

interface Props {
  /** Changes with the step: another step starts afresh. */
  readonly resetKey: string
  readonly children: ReactNode
}

/** Keeps a fault of one screen to that screen: header, shelf and running work go on. */
export class ErrorBoundary extends Component<Props, { readonly fault: Fault | null }> {
  override state: { readonly fault: Fault | null } = { fault: null }

  static getDerivedStateFromError(error: unknown): { readonly fault: Fault } {
    return { fault: faultOf(error) }
  }

  override componentDidUpdate(before: Props): void {
    if (before.resetKey !== this.props.resetKey && this.state.fault !== null) this.setState({ fault: null })
  }

  override render(): ReactNode {
    if (this.state.fault === null) return this.props.children
    return (
      <FaultNote
        fault={{ ...this.state.fault, title: 'This part of the page stopped' }}
        actions={
          <Button size="xs" onClick={() => this.setState({ fault: null })}>
            Show it again
          </Button>
        }
      />
    )
  }
}
