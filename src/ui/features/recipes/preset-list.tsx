import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import { useActions } from '../../actions.ts'
import { Icon } from '../../parts/icon.tsx'
import { type Grouping, type ListedPreset, type PresetGroup, presetGroups } from './preset-groups.ts'

/** All presets, by grid or by question, with a filter; a systematic name that is not in the list works too. */
export function PresetList() {
  const { pasteRecipe } = useActions()
  const catalogue = useStore(modelStore, (state) => state.catalogue)
  const [filter, setFilter] = useState('')
  const [grouping, setGrouping] = useState<Grouping>('grid')
  const [only, setOnly] = useState<string | null>(null)
  const [refusal, setRefusal] = useState<string | null>(null)
  if (catalogue === null) return null
  const groups = presetGroups(catalogue, grouping, filter)
  const shown = groups.some(({ key }) => key === only) ? groups.filter(({ key }) => key === only) : groups
  const addByName = async (): Promise<void> => setRefusal(await pasteRecipe(filter.trim()))
  return (
    <>
      <form
        className="qs-preset-find"
        onSubmit={(event) => {
          event.preventDefault()
          if (filter.trim() !== '') void addByName()
        }}
      >
        <TextInput
          label="Find or name one"
          description="Any bits and group work, e.g. nearest-6bit-g48 or gptq-4bit-g64-sym."
          value={filter}
          error={refusal}
          data-autofocus
          onChange={({ currentTarget }) => {
            setFilter(currentTarget.value)
            setRefusal(null)
          }}
        />
        <Button type="submit" disabled={filter.trim() === ''}>
          Add by name
        </Button>
      </form>
      <SegmentedControl
        size="xs"
        aria-label="Grouped by"
        value={grouping}
        data={[
          { value: 'grid', label: 'By kind of grid' },
          { value: 'question', label: 'By question' },
        ]}
        onChange={(value) => {
          setGrouping(value === 'question' ? 'question' : 'grid')
          setOnly(null)
        }}
      />
      <div className="qs-preset-kinds" role="group" aria-label="Show only">
        {groups.map(({ key, title, presets }) => (
          <button
            key={key}
            type="button"
            className="qs-preset-kind"
            aria-pressed={only === key}
            onClick={() => setOnly(only === key ? null : key)}
          >
            {title} <span>{presets.length}</span>
          </button>
        ))}
      </div>
      <div className="qs-preset-list" role="region" aria-label="Presets" tabIndex={0}>
        {shown.map((group) => (
          <Group key={group.key} group={group} />
        ))}
      </div>
      {groups.length === 0 ? <p className="qs-muted">No preset in the list matches; “Add by name” tries it as a systematic name.</p> : null}
    </>
  )
}

function Group({ group }: { readonly group: PresetGroup }) {
  const { addSet } = useActions()
  const { setId, presets } = group
  return (
    <section aria-label={group.title}>
      <div className="qs-preset-head">
        <div>
          <h3>{group.title}</h3>
          <p>{group.text}</p>
        </div>
        {setId === null ? null : (
          <Button size="xs" onClick={() => void addSet(setId)}>
            Add the set
          </Button>
        )}
      </div>
      <ul>
        {presets.map((preset) => (
          <li key={preset.recipe.id}>
            <Preset preset={preset} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Preset({ preset: { recipe, title, explanation } }: { readonly preset: ListedPreset }) {
  const { addPreset } = useActions()
  const isThere = useStore(recipesStore, (state) => state.entries.some((entry) => entry.recipe.id === recipe.id))
  return (
    <button type="button" className="qs-set" aria-pressed={isThere} onClick={() => addPreset(recipe)}>
      <b>
        <span className="qs-mono">{recipe.id}</span>
        {isThere ? <Icon name="tick" /> : null}
      </b>
      <span>
        {title}. {explanation}
      </span>
    </button>
  )
}
