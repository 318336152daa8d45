import { Button, Modal, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import { uiStore } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { Icon } from '../../parts/icon.tsx'

const close = (): void => uiStore.setState({ sheet: null })

/** All presets by name; a systematic name that is not in the list works too. */
export function PresetsDialog() {
  const isOpen = useStore(uiStore, (state) => state.sheet === 'presets')
  return (
    <Modal opened={isOpen} onClose={close} title="All presets" size={520} closeButtonProps={{ 'aria-label': 'Close' }}>
      <PresetList />
    </Modal>
  )
}

function PresetList() {
  const { addPreset, pasteRecipe } = useActions()
  const presets = useStore(modelStore, (state) => state.catalogue?.presets ?? [])
  const entries = useStore(recipesStore, (state) => state.entries)
  const [filter, setFilter] = useState('')
  const [refusal, setRefusal] = useState<string | null>(null)
  const word = filter.trim().toLowerCase()
  const found = presets.filter(({ recipe, title, explanation }) => `${recipe.id} ${title} ${explanation}`.toLowerCase().includes(word))
  const isThere = (id: string): boolean => entries.some((entry) => entry.recipe.id === id)
  const addByName = async (): Promise<void> => setRefusal(await pasteRecipe(filter.trim()))
  return (
    <>
      <form
        className="qs-field-row"
        onSubmit={(event) => {
          event.preventDefault()
          if (word !== '') void addByName()
        }}
      >
        <TextInput
          label="Find or name one"
          description="Any bits and group work, e.g. nearest-6bit-g48 or nearest-4bit-channel-sym."
          value={filter}
          error={refusal}
          data-autofocus
          onChange={({ currentTarget }) => {
            setFilter(currentTarget.value)
            setRefusal(null)
          }}
        />
        <Button type="submit" disabled={word === ''}>
          Add by name
        </Button>
      </form>
      <ul className="qs-preset-list" aria-label="Presets">
        {found.map(({ recipe, title, explanation }) => (
          <li key={recipe.id}>
            <button
              type="button"
              className="qs-set"
              style={{ width: '100%' }}
              aria-pressed={isThere(recipe.id)}
              onClick={() => addPreset(recipe)}
            >
              <b className="qs-row">
                <span className="qs-mono">{recipe.id}</span>
                {isThere(recipe.id) ? <Icon name="tick" /> : null}
              </b>
              <span>
                {title}. {explanation}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 ? <p className="qs-muted">No preset in the list matches; “Add by name” tries it as a systematic name.</p> : null}
    </>
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
