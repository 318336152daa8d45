import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { type TextPurpose, textsStore } from '../../../state/texts-store.ts'
import { useActions } from '../../actions.ts'
import { FaultNote } from '../../parts/note.tsx'

/** What measurements of quantization are mostly made on. */
const presets = [
  { title: 'WikiText-2', id: 'Salesforce/wikitext:wikitext-2-raw-v1' },
  { title: 'C4', id: 'allenai/c4:en' },
]

const reading: Readonly<Record<TextPurpose, string>> = {
  evaluation: 'Its test split is read from the beginning, or validation, or train.',
  calibration: 'Its train split is read from where the seed draws.',
}

/** A text of a data set of the Hub: which, what of it, and how far it has come. */
export function HubText({ purpose, onDone }: { readonly purpose: TextPurpose; readonly onDone: () => void }) {
  const { takeHubText, stopHubText } = useActions()
  const state = useStore(textsStore, ({ hub }) => hub[purpose])
  const endpoint = useStore(modelStore, ({ environment, settings }) => environment?.hubEndpoint ?? settings.hubEndpoint)
  const [id, setId] = useState('')
  const [token, setToken] = useState('')
  const isFetching = state.kind === 'fetching'
  const fault = state.kind === 'failed' ? state.fault : null
  const host = URL.canParse(endpoint) ? new URL(endpoint).host : endpoint
  const leave = (): void => {
    stopHubText(purpose)
    onDone()
  }
  const fetchText = async (): Promise<void> => {
    if (await takeHubText(purpose, id.trim(), token === '' ? null : token)) onDone()
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void fetchText()
      }}
    >
      <TextInput
        label="Data set on the Hub"
        description={`${reading[purpose]} Behind colons: subset, split, column.`}
        placeholder="owner/name:subset:split:column"
        value={id}
        autoComplete="off"
        spellCheck={false}
        disabled={isFetching}
        onChange={({ currentTarget }) => setId(currentTarget.value)}
      />
      <div className="qs-row" style={{ marginTop: 8 }} role="group" aria-label="Usual data sets">
        {presets.map((preset) => (
          <Button key={preset.id} size="xs" variant="subtle" disabled={isFetching} onClick={() => setId(preset.id)}>
            {preset.title}
          </Button>
        ))}
      </div>
      {fault?.code === 'hub-forbidden' ? (
        <PasswordInput
          label="Access token"
          description="It stays in memory and is forgotten when the tab closes."
          placeholder="hf_…"
          data-token
          value={token}
          autoComplete="off"
          style={{ marginTop: 8 }}
          onChange={({ currentTarget }) => setToken(currentTarget.value)}
        />
      ) : null}
      {fault === null ? null : (
        <div style={{ marginTop: 8 }}>
          <FaultNote fault={fault} />
        </div>
      )}
      <p className="qs-small qs-muted" style={{ margin: '8px 0' }}>
        {isFetching
          ? (state.progress ?? `Asking ${host}…`)
          : `Bytes come from ${host}, a few megabytes of the set; nothing of yours is sent there.`}
      </p>
      <div className="qs-row">
        <Button size="xs" type="submit" loading={isFetching} disabled={id.trim() === ''}>
          Fetch this text
        </Button>
        <Button size="xs" variant="subtle" onClick={leave}>
          Cancel
        </Button>
      </div>
    </form>
  )
}
