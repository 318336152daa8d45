import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import type { ErrorCode } from '../../../core/errors.ts'
import { modelStore, type OpenedFrom } from '../../../state/model-store.ts'
import { useActions } from '../../actions.ts'
import { FaultNote } from '../../parts/note.tsx'
import { usePickers } from './drop-card.tsx'

/** The one thing to do about a fault of opening; the rest is in its remedy. */
function wayOut(code: ErrorCode, from: OpenedFrom): 'choose-file' | 'choose-other' | 'retry' {
  if (from !== 'files') return 'retry'
  return code === 'file-missing' ? 'choose-file' : 'choose-other'
}

function Failed() {
  const opening = useStore(modelStore, (state) => state.opening)
  const { dismissFault, retryOpening } = useActions()
  const { inputs, pickFiles } = usePickers()
  if (opening.kind !== 'failed') return null
  const { code } = opening.fault
  const way = wayOut(code, opening.from)
  return (
    <>
      {inputs}
      <FaultNote
        fault={opening.fault}
        actions={
          <>
            {way === 'choose-file' ? (
              <Button size="xs" variant="filled" onClick={pickFiles}>
                Choose the file
              </Button>
            ) : null}
            {way === 'choose-other' ? (
              <Button size="xs" onClick={pickFiles}>
                Choose another file
              </Button>
            ) : null}
            {code === 'hub-forbidden' ? <PermissionActions id={opening.what} /> : null}
            {way === 'retry' && code !== 'hub-forbidden' ? (
              <Button size="xs" onClick={() => void retryOpening()}>
                Retry
              </Button>
            ) : null}
            <Button size="xs" variant="subtle" onClick={dismissFault}>
              Dismiss
            </Button>
          </>
        }
      />
    </>
  )
}

/** A gated model: terms are accepted at the Hub, the token is given here. */
function PermissionActions({ id }: { readonly id: string }) {
  const endpoint = useStore(modelStore, (state) => state.settings.hubEndpoint)
  const focusToken = (): void => document.querySelector<HTMLInputElement>('input[data-token]')?.focus()
  return (
    <>
      <Button size="xs" variant="filled" onClick={focusToken}>
        Give a token
      </Button>
      <Button size="xs" component="a" href={`${endpoint}/${id.split('@')[0] ?? ''}`} target="_blank" rel="noreferrer">
        Open on the Hub
      </Button>
    </>
  )
}

/** Opening under way, or why it did not work. */
export function OpenState() {
  const opening = useStore(modelStore, (state) => state.opening)
  const { cancelOpening } = useActions()
  if (opening.kind === 'failed') return <Failed />
  if (opening.kind === 'idle') return null
  const { progress } = opening
  return (
    <section className="qs-card qs-card-body" aria-label="Opening" aria-busy="true">
      <h2>{opening.from === 'hub' ? `Looking up ${opening.what}` : `Reading headers of ${opening.what}`}</h2>
      <div className="qs-stack" style={{ gap: 8, margin: '10px 0' }} aria-hidden="true">
        <div className="qs-skeleton" style={{ width: '80%' }} />
        <div className="qs-skeleton" style={{ width: '62%' }} />
      </div>
      <p className="qs-muted">{progress?.text ?? 'Nothing but headers is read at first.'}</p>
      <div className="qs-row" style={{ marginTop: 10 }}>
        <Button onClick={cancelOpening}>Cancel</Button>
      </div>
    </section>
  )
}
