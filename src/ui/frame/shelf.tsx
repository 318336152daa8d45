import { ActionIcon, Menu } from '@mantine/core'
import { useStore } from 'zustand'
import { modelStore } from '../../state/model-store.ts'
import type { PinName, RecipeEntry } from '../../state/recipes-store.ts'
import {
  duplicateRecipe,
  hoverRecipe,
  pinRecipe,
  recipesStore,
  selectRecipe,
  setBaseline,
  toggleHidden,
} from '../../state/recipes-store.ts'
import { aboveBaseline, baselineOf } from '../../state/results.ts'
import { runStore } from '../../state/run-store.ts'
import { uiStore } from '../../state/ui-store.ts'
import { removeWithUndo } from '../features/recipes/remove.ts'
import { bits, bytes, change, changePercent, counted, layerError, perplexity } from '../format/numbers.ts'
import { Icon } from '../parts/icon.tsx'
import { PinBadge } from '../parts/small-parts.tsx'
import { FloatMark, Marker } from '../theme/recipe-style.tsx'
import { useFormatTitle, useRecipePlan, useResults } from './use-results.ts'

/** The legend of every chart, the place to pin and the way to hide. */
export function Shelf() {
  const entries = useStore(recipesStore, (state) => state.entries)
  const { results, pins } = useResults()
  const step = useStore(uiStore, (state) => state.step)
  if (entries.length === 0 || step === 'open') return null
  const pinOf = (id: string): PinName | null => (pins.a?.recipe.id === id ? 'a' : pins.b?.recipe.id === id ? 'b' : null)
  const arePinsShown = step === 'compare' || step === 'export'
  return (
    <div className="qs-shelf" role="group" aria-label="Recipes: legend and pins">
      <BaselineChip />
      {entries.map((entry) => (
        <RecipeChip key={entry.recipe.id} entry={entry} pin={arePinsShown ? pinOf(entry.recipe.id) : null} hasPins={results.length > 0} />
      ))}
      <button type="button" className="qs-chip-add" aria-label="Add a recipe" onClick={() => uiStore.setState({ sheet: 'presets' })}>
        <Icon name="plus" />
      </button>
    </div>
  )
}

function BaselineChip() {
  const { results } = useResults()
  const step = useStore(uiStore, (state) => state.step)
  const summary = useStore(modelStore, (state) => state.summary)
  const float = useStore(runStore, (state) => state.report?.evaluation?.float ?? null)
  const baselineId = useStore(recipesStore, (state) => state.baseline)
  const baseline = results.find((result) => result.recipe.id === baselineId) ?? null
  const known = baseline?.report.bytes ?? summary?.sourceBytes
  const size = known === undefined ? '…' : bytes(known)
  const isMeasured = float !== null && (step === 'compare' || step === 'export')
  const line = step === 'run' ? 'baseline' : isMeasured ? `${size} · ${perplexity((baseline?.report ?? float).perplexity)}` : size
  const name = baseline?.recipe.id ?? 'float'
  const content = (
    <>
      <span className="qs-chip-name">
        {baseline === null ? <FloatMark /> : <Marker slot={baseline.slot} />}
        <b>{name}</b>
      </span>
      <span className="qs-chip-line">
        <span>{line}</span>
      </span>
    </>
  )
  return (
    <div className="qs-chip qs-chip-float">
      <Menu position="bottom-start">
        <Menu.Target>
          <button type="button" aria-label={`Compare with: ${name}`}>
            {content}
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Compare with</Menu.Label>
          <Menu.Item leftSection={<FloatMark />} onClick={() => setBaseline(null)}>
            float
          </Menu.Item>
          {results.map(({ recipe, slot }) => (
            <Menu.Item key={recipe.id} leftSection={<Marker slot={slot} />} onClick={() => setBaseline(recipe.id)}>
              {recipe.id}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  )
}

interface ChipText {
  readonly line: string
  /** The same for readers, in words. */
  readonly spoken: string
}

/** Second line of a chip: size and bits in Recipes, error so far in Run, size and change in Compare and Export. */
function useChipText(entry: RecipeEntry): ChipText {
  const { id } = entry.recipe
  const step = useStore(uiStore, (state) => state.step)
  const plan = useRecipePlan(id)
  const titleOf = useFormatTitle()
  const cells = useStore(runStore, (state) => state.cells[id])
  const isFinished = useStore(runStore, (state) => state.status === 'finished')
  const { results } = useResults()
  const baselineId = useStore(recipesStore, (state) => state.baseline)
  const result = results.find((candidate) => candidate.recipe.id === id)
  if (step === 'run' && cells !== undefined) {
    const errors = Object.values(cells).flatMap(({ outputError }) => (outputError === null ? [] : [outputError]))
    if (errors.length === 0) {
      const blocks = counted(Object.keys(cells).filter((block) => Number(block) >= 0).length, 'block')
      return { line: blocks, spoken: `${blocks} so far` }
    }
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length
    const error = `error ${isFinished ? '' : 'so far '}${layerError(mean)}`
    return { line: error, spoken: `output ${error}` }
  }
  if (result !== undefined && (step === 'compare' || step === 'export')) {
    const above = aboveBaseline(result.report, baselineOf(results, baselineId))
    const size = bytes(result.report.bytes)
    return {
      line: `${size} · ${changePercent(above.value)}`,
      spoken: `${size} as ${titleOf(result.report.bytesOf)}, perplexity ${change(above)} against ${baselineId ?? 'float'}`,
    }
  }
  if (plan === null) return { line: '…', spoken: 'size not known yet' }
  return {
    line: `${bytes(plan.bytes)} · ${bits(plan.bitsPerWeight)} bit`,
    spoken: `${bytes(plan.bytes)} as ${titleOf(plan.bytesOf)}, ${bits(plan.bitsPerWeight)} bits a weight`,
  }
}

interface RecipeChipProps {
  readonly entry: RecipeEntry
  readonly pin: PinName | null
  readonly hasPins: boolean
}

function RecipeChip({ entry, pin, hasPins }: RecipeChipProps) {
  const { id } = entry.recipe
  const text = useChipText(entry)
  const isHidden = useStore(recipesStore, (state) => state.hidden.has(id))
  const step = useStore(uiStore, (state) => state.step)
  const isCurrent = useStore(recipesStore, (state) => state.current === id)
  const areChartsShown = step === 'compare' || step === 'run' || step === 'export'
  const name = [id, text.spoken, pin === null ? '' : `pinned as ${pin.toUpperCase()}`, isHidden ? 'hidden' : ''].filter(Boolean).join(', ')

  const press = (): void => {
    selectRecipe(id)
    if (step === 'recipes' || step === 'inspect') location.hash = 'recipes'
    else if (hasPins && pin === null) pinRecipe('a', id)
  }
  return (
    <div
      className="qs-chip"
      data-pinned={pin === null ? undefined : true}
      data-hidden={isHidden ? true : undefined}
      onPointerEnter={() => hoverRecipe(id)}
      onPointerLeave={() => hoverRecipe(null)}
    >
      <button
        type="button"
        data-recipe={id}
        aria-pressed={areChartsShown ? pin !== null : isCurrent}
        aria-label={name}
        title={name}
        onClick={press}
        onFocus={() => hoverRecipe(id)}
        onBlur={() => hoverRecipe(null)}
      >
        <span className="qs-chip-name">
          <Marker slot={entry.slot} />
          <b>{id}</b>
        </span>
        <span className="qs-chip-line">
          <span>{text.line}</span>
          {pin === null ? null : <PinBadge pin={pin} />}
        </span>
      </button>
      <ChipMenu id={id} isHidden={isHidden} hasPins={hasPins} />
    </div>
  )
}

function ChipMenu({ id, isHidden, hasPins }: { readonly id: string; readonly isHidden: boolean; readonly hasPins: boolean }) {
  const edit = (): void => {
    selectRecipe(id)
    location.hash = 'recipes'
  }
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size="xs" className="qs-chip-menu" aria-label={`More for ${id}`}>
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {hasPins ? (
          <>
            <Menu.Item onClick={() => pinRecipe('a', id)}>Pin as A</Menu.Item>
            <Menu.Item onClick={() => pinRecipe('b', id)}>Pin as B</Menu.Item>
            <Menu.Item onClick={() => setBaseline(id)}>Compare with this</Menu.Item>
          </>
        ) : null}
        <Menu.Item onClick={() => toggleHidden(id)}>{isHidden ? 'Show in charts' : 'Hide in charts'}</Menu.Item>
        <Menu.Item onClick={edit}>Edit</Menu.Item>
        <Menu.Item
          onClick={() => {
            duplicateRecipe(id)
            location.hash = 'recipes'
          }}
        >
          Duplicate
        </Menu.Item>
        <Menu.Item onClick={() => removeWithUndo(id)}>Remove</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
