import { Button, Modal, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import { uiStore } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { PresetList } from './preset-list.tsx'

const close = (): void => uiStore.setState({ sheet: null })

/** All presets by name; a systematic name that is not in the list works too. */
export function PresetsDialog() {
  const isOpen = useStore(uiStore, (state) => state.sheet === 'presets')
  return (
    <Modal opened={isOpen} onClose={close} title="All presets" size={760} closeButtonProps={{ 'aria-label': 'Close' }}>
      <PresetList />
    </Modal>
  )
}

export function PasteDialog() {
  const isOpen = useStore(uiStore, (state) => state.sheet === 'paste')
  return (
    <Modal opened={isOpen} onClose={close} title="Paste recipe" size={520} closeButtonProps={{ 'aria-label': 'Close' }}>
      <PasteForm />
    </Modal>
  )
}

function PasteForm() {
  const { pasteRecipe } = useActions()
  const [text, setText] = useState('')
  const [refusal, setRefusal] = useState<string | null>(null)
  const add = async (): Promise<void> => {
    const found = await pasteRecipe(text)
    setRefusal(found)
    if (found === null) close()
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void add()
      }}
    >
      <Textarea
        label="Recipe"
        description="JSON, a link, or names of presets."
        rows={8}
        value={text}
        error={refusal}
        spellCheck={false}
        data-autofocus
        onChange={({ currentTarget }) => {
          setText(currentTarget.value)
          setRefusal(null)
        }}
      />
      <div className="qs-row" style={{ marginTop: 12, justifyContent: 'flex-end' }}>
        <Button onClick={close}>Cancel</Button>
        <Button type="submit" variant="filled" disabled={text.trim() === ''}>
          Add
        </Button>
      </div>
    </form>
  )
}
