import { ActionIcon, Button, Menu, Switch, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import type { Recipe } from '../../../quantization/recipe.ts'
import { modelStore } from '../../../state/model-store.ts'
import { duplicateRecipe, type RecipeEntry } from '../../../state/recipes-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { bits, exactBytes, percent } from '../../format/numbers.ts'
import { useFormatTitle, useRecipePlan } from '../../frame/use-results.ts'
import { Icon } from '../../parts/icon.tsx'
import { Why } from '../../parts/small-parts.tsx'
import { Marker } from '../../theme/recipe-style.tsx'
import { AxisRow } from './axis-row.tsx'
import { GridPicture } from './grid-picture.tsx'
import { Overrides } from './overrides.tsx'
import { removeWithUndo } from './remove.ts'
import { useChoices } from './use-choices.ts'

function copyJson(recipe: Recipe): void {
  navigator.clipboard.writeText(JSON.stringify(recipe, null, 2)).then(
    () => notify('Recipe copied as JSON.'),
    () => notify('This browser did not let the page write to the clipboard.'),
  )
}

function Name({ recipe }: { readonly recipe: Recipe }) {
  const { renameRecipe } = useActions()
  const [draft, setDraft] = useState<string | null>(null)
  const [refusal, setRefusal] = useState<string | null>(null)
  if (draft === null)
    return (
      <h2>
        {recipe.id}{' '}
        <ActionIcon size="xs" aria-label="Rename" onClick={() => setDraft(recipe.id)}>
          <Icon name="edit" />
        </ActionIcon>
      </h2>
    )
  const keep = (): void => {
    const found = renameRecipe(recipe.id, draft.trim())
    setRefusal(found)
    if (found === null) setDraft(null)
  }
  return (
    <form
      className="qs-row"
      onSubmit={(event) => {
        event.preventDefault()
        keep()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') setDraft(null)
      }}
    >
      <TextInput
        aria-label="Name of the recipe"
        value={draft}
        error={refusal}
        autoFocus
        onChange={({ currentTarget }) => setDraft(currentTarget.value)}
      />
      <Button type="submit" size="xs">
        Rename
      </Button>
    </form>
  )
}

/** Exact bytes of the file and what it is, share of the source, the other formats, and behind a click why not the rest. */
function Price({ id }: { readonly id: string }) {
  const plan = useRecipePlan(id)
  const titleOf = useFormatTitle()
  const sourceBytes = useStore(modelStore, (state) => state.summary?.sourceBytes ?? null)
  if (plan === null || sourceBytes === null) return <p>Sizes are exact once a model is open.</p>
  const others = plan.targets.filter((target) => target.support === true && target.id !== plan.bytesOf)
  const refused = plan.targets.filter((target) => target.support !== true)
  return (
    <>
      <p>
        {exactBytes(plan.bytes)} as {titleOf(plan.bytesOf)} · {percent(plan.bytes / sourceBytes)} of the source · {bits(plan.bitsPerWeight)}{' '}
        bit/weight, blocks only {bits(plan.blockBitsPerWeight)}
        {others.length === 0 ? '' : ` · also ${titles(others, titleOf)}`}
      </p>
      {refused.length === 0 ? null : (
        <details className="qs-refused">
          <summary>{refused.length === plan.targets.length ? 'No format can hold it' : `Not ${titles(refused, titleOf)}`}</summary>
          <ul>
            {refused.map((target) => (
              <li key={target.id}>
                <b>{titleOf(target.id)}</b> {target.support}
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

const titles = (targets: readonly { readonly id: string }[], titleOf: (id: string) => string): string =>
  targets.map(({ id }) => titleOf(id)).join(', ')

function EditorHead({ entry }: { readonly entry: RecipeEntry }) {
  const { copyLink, copyCommand } = useActions()
  const { recipe } = entry
  return (
    <div className="qs-editor-head">
      <Marker slot={entry.slot} />
      <div>
        <Name key={recipe.id} recipe={recipe} />
        <Price id={recipe.id} />
      </div>
      <div className="qs-row">
        <Button size="xs" onClick={() => duplicateRecipe(recipe.id)}>
          Duplicate
        </Button>
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="xs" leftSection={<Icon name="copy" />}>
              Copy
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => copyJson(recipe)}>As JSON</Menu.Item>
            <Menu.Item onClick={() => void copyLink([recipe])}>As a link</Menu.Item>
            <Menu.Item onClick={() => void copyCommand([recipe])}>As the headless command</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button size="xs" variant="subtle" onClick={() => removeWithUndo(recipe.id)}>
          Remove
        </Button>
      </div>
    </div>
  )
}

/** A recipe is four rows, always in this order, each an explained choice. */
export function Editor({ entry }: { readonly entry: RecipeEntry }) {
  const { editRecipe } = useActions()
  const axes = useStore(modelStore, (state) => state.catalogue?.axes)
  const isTied = useStore(modelStore, (state) => state.summary?.config.isTied ?? false)
  const { recipe } = entry
  const choices = useChoices(recipe)
  if (axes === undefined) return null
  const change = (part: Partial<Omit<Recipe, 'id'>>): void => void editRecipe(recipe.id, part)
  const onSwitch = (key: 'embedding' | 'head', isOn: boolean): void => {
    const value = isOn ? 'grid' : 'float'
    change(isTied ? { embedding: value, head: value } : { [key]: value })
  }
  return (
    <div className="qs-card" role="group" aria-label={`Recipe ${recipe.id}`}>
      <EditorHead entry={entry} />
      <AxisRow
        title="Transform"
        question="What is done to the model first, and undone elsewhere"
        members={axes.transform}
        choice={recipe.transform}
        supports={choices?.transform ?? null}
        onChange={(transform) => change({ transform })}
      />
      <AxisRow
        title="Grid"
        question="Which values a weight may take"
        members={axes.grid}
        choice={recipe.grid}
        supports={choices?.grid ?? null}
        onChange={(grid) => change({ grid })}
        aside={<GridPicture recipe={recipe} />}
      />
      <AxisRow
        title="Rounding"
        question="Which allowed value each weight gets"
        members={axes.rounding}
        choice={recipe.rounding}
        supports={choices?.rounding ?? null}
        onChange={(rounding) => change({ rounding })}
      />
      <AxisRow
        title="Allocation"
        question="Which tensor gets which grid"
        members={axes.allocation}
        choice={recipe.allocation}
        supports={choices?.allocation ?? null}
        onChange={(allocation) => change({ allocation })}
      >
        <div className="qs-fields">
          <Switch
            size="xs"
            label={isTied ? 'Quantize the embedding, which is the head too' : 'Quantize the embedding'}
            checked={recipe.embedding === 'grid'}
            onChange={({ currentTarget }) => onSwitch('embedding', currentTarget.checked)}
          />
          {isTied ? null : (
            <Switch
              size="xs"
              label="Quantize the head"
              checked={recipe.head === 'grid'}
              onChange={({ currentTarget }) => onSwitch('head', currentTarget.checked)}
            />
          )}
        </div>
        <Overrides overrides={recipe.overrides} grids={axes.grid} grid={recipe.grid} onChange={(overrides) => change({ overrides })} />
        {recipe.overrides.length > 1 ? <Why>A tensor follows the first override that matches it.</Why> : null}
      </AxisRow>
    </div>
  )
}
