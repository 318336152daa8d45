import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { useActions } from '../../actions.ts'
import { HubEndpointField } from '../../frame/settings-sheet.tsx'

/** owner/name, optionally with a revision. */
const idPattern = /^[\w.-]+\/[\w.-]+(@[\w./-]+)?$/

export function HubCard() {
  const { openHub } = useActions()
  const opening = useStore(modelStore, (state) => state.opening)
  const [id, setId] = useState('')
  const [token, setToken] = useState('')
  const [more, setMore] = useState<'token' | 'mirror' | null>(null)
  const [isChecked, setChecked] = useState(false)
  const trimmed = id.trim()
  const isValid = idPattern.test(trimmed)
  const isOpening = opening.kind === 'opening' && opening.from === 'hub'
  const asksForToken = opening.kind === 'failed' && opening.fault.code === 'hub-forbidden'
  const toggle = (which: 'token' | 'mirror'): void => setMore(more === which ? null : which)
  return (
    <section className="qs-card qs-card-body" aria-labelledby="hub-title">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          setChecked(true)
          if (isValid) void openHub(trimmed, token === '' ? null : token)
        }}
      >
        <h3 id="hub-title">Or name a model on the Hugging Face Hub</h3>
        <div className="qs-hub-row">
          <TextInput
            aria-label="Model on the Hub"
            placeholder="owner/name or owner/name@revision"
            value={id}
            autoComplete="off"
            spellCheck={false}
            error={isChecked && !isValid ? 'A name has the form owner/name, with @revision if you like.' : null}
            onChange={({ currentTarget }) => {
              setId(currentTarget.value)
              setChecked(false)
            }}
          />
          <Button type="submit" size="lg" loading={isOpening}>
            Look up
          </Button>
        </div>
        <p className="qs-small qs-muted" style={{ marginTop: 8 }}>
          Looking up costs a few kilobytes; weights are fetched when they are needed.{' '}
          <button type="button" className="qs-link" aria-expanded={more === 'token' || asksForToken} onClick={() => toggle('token')}>
            Access token
          </button>
          {' · '}
          <button type="button" className="qs-link" aria-expanded={more === 'mirror'} onClick={() => toggle('mirror')}>
            Mirror
          </button>
        </p>
        {more === 'token' || asksForToken ? (
          <div className="qs-hub-more">
            <PasswordInput
              label="Access token"
              description="For models that ask for permission. It stays in memory and is forgotten when the tab closes."
              placeholder="hf_…"
              data-token
              value={token}
              autoComplete="off"
              onChange={({ currentTarget }) => setToken(currentTarget.value)}
            />
          </div>
        ) : null}
      </form>
      {more === 'mirror' ? (
        <div className="qs-hub-more">
          <HubEndpointField />
        </div>
      ) : null}
    </section>
  )
}
