import { Button, Textarea } from '@mantine/core'
import { useRef, useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { type ChosenText, type TextPurpose, textsStore } from '../../../state/texts-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { bytes, count } from '../../format/numbers.ts'
import { HubText } from './hub-text.tsx'

/** A text larger than this would only be cut by the bound on tokens. */
const MOST_TEXT_BYTES = 32_000_000

const titles: Readonly<Record<TextPurpose, string>> = { evaluation: 'Evaluation text', calibration: 'Calibration text' }
const purposes: Readonly<Record<TextPurpose, string>> = {
  evaluation: 'What perplexity and divergence are measured on.',
  calibration: 'What recipes learn from, and whose activations weigh the layer errors; apart from the evaluation text.',
}

const put = (purpose: TextPurpose, text: ChosenText | null): void =>
  textsStore.setState(purpose === 'evaluation' ? { evaluation: text } : { calibration: text })

function OwnText({ purpose, onDone }: { readonly purpose: TextPurpose; readonly onDone: () => void }) {
  const [draft, setDraft] = useState('')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        put(purpose, { name: 'Own text', text: draft, origin: 'own' })
        onDone()
      }}
    >
      <Textarea
        label={`Own ${titles[purpose].toLowerCase()}`}
        rows={5}
        value={draft}
        spellCheck={false}
        onChange={({ currentTarget }) => setDraft(currentTarget.value)}
      />
      <div className="qs-row" style={{ marginTop: 8 }}>
        <Button size="xs" type="submit" disabled={draft.trim() === ''}>
          Use this text
        </Button>
        <Button size="xs" variant="subtle" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  )
}

/** A text: the bundled one, a file, written here, or of a data set of the Hub. `isNeeded`: without it the run cannot be made. */
export function TextChoice({ purpose, isNeeded }: { readonly purpose: TextPurpose; readonly isNeeded: boolean }) {
  const text = useStore(textsStore, (state) => state[purpose])
  const bundled = useStore(modelStore, (state) => state.summary?.bundledTexts.find((candidate) => candidate.id === purpose))
  // A fetch goes on when another step is looked at meanwhile.
  const isOnTheWay = useStore(textsStore, ({ hub }) => hub[purpose].kind !== 'idle')
  const [source, setSource] = useState<'written' | 'hub' | null>(isOnTheWay ? 'hub' : null)
  const input = useRef<HTMLInputElement>(null)
  const take = async (file: File): Promise<void> => {
    if (file.size > MOST_TEXT_BYTES) notify(`${file.name} holds ${bytes(file.size)}; a text of at most ${bytes(MOST_TEXT_BYTES)} is read.`)
    else put(purpose, { name: file.name, text: await file.text(), origin: 'own' })
  }
  const none = isNeeded ? 'No text yet: write or choose one.' : 'The first windows of the evaluation text.'
  return (
    <div>
      <h3>{titles[purpose]}</h3>
      <p className="qs-small qs-muted">{purposes[purpose]}</p>
      <p style={{ margin: '4px 0 6px' }}>{text === null ? none : `${text.name}, ${count(text.text.length)} characters`}</p>
      {source === 'written' ? <OwnText purpose={purpose} onDone={() => setSource(null)} /> : null}
      {source === 'hub' ? <HubText purpose={purpose} onDone={() => setSource(null)} /> : null}
      {source === null ? (
        <div className="qs-row">
          <Button size="xs" onClick={() => setSource('written')} aria-label={`Write the ${titles[purpose].toLowerCase()}`}>
            Write
          </Button>
          <Button size="xs" onClick={() => input.current?.click()} aria-label={`Choose a file for the ${titles[purpose].toLowerCase()}`}>
            Choose a file
          </Button>
          <Button size="xs" onClick={() => setSource('hub')} aria-label={`Fetch the ${titles[purpose].toLowerCase()} from the Hub`}>
            From the Hub
          </Button>
          {bundled !== undefined && text?.origin !== 'bundled' ? (
            <Button size="xs" onClick={() => put(purpose, { name: bundled.name, text: bundled.text, origin: 'bundled' })}>
              Use the bundled text
            </Button>
          ) : null}
          {!isNeeded && text !== null ? (
            <Button size="xs" variant="subtle" onClick={() => put(purpose, null)}>
              Use the evaluation text
            </Button>
          ) : null}
        </div>
      ) : null}
      <input
        ref={input}
        type="file"
        hidden
        accept=".txt,.md,.json,.jsonl,.csv,text/*"
        data-picker={purpose}
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0]
          currentTarget.value = ''
          if (file !== undefined) void take(file)
        }}
      />
    </div>
  )
}
