import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import { uiStore } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { countInWords } from '../../format/words.ts'
import { Headline } from '../../parts/headline.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Note } from '../../parts/note.tsx'
import { EmptyState } from '../../parts/small-parts.tsx'
import { RiskNotes } from '../inspect/risk-notes.tsx'
import { CalibrationSettings } from './calibration-settings.tsx'
import { Editor } from './editor.tsx'
import { PlanBar } from './plan-bar.tsx'
import { RecipeList } from './recipe-list.tsx'
import { TextSettings } from './text-settings.tsx'
import './recipes.css'

/** Sets that are offered at once; the others are under "All presets". */
const setsOnTop = 5

function PresetSets() {
  const { addSet } = useActions()
  const catalogue = useStore(modelStore, (state) => state.catalogue)
  if (catalogue === null) return null
  return (
    <div className="qs-sets" role="group" aria-label="Preset sets">
      {catalogue.sets.slice(0, setsOnTop).map((set) => (
        <button key={set.id} type="button" className="qs-set" onClick={() => void addSet(set.id)}>
          <b>{set.title}</b>
          <span>{set.text}</span>
        </button>
      ))}
      <button type="button" className="qs-set" aria-haspopup="dialog" onClick={() => uiStore.setState({ sheet: 'presets' })}>
        <b>All presets</b>
        <span>{catalogue.presets.length} recipes, by grid or by question</span>
      </button>
    </div>
  )
}

function NoRecipes() {
  const { addSet } = useActions()
  const first = useStore(modelStore, (state) => state.catalogue?.sets[0])
  return (
    <EmptyState
      title="Add a first recipe"
      actions={
        <>
          {first === undefined ? null : (
            <Button variant="filled" onClick={() => void addSet(first.id)}>
              Add these {countInWords(first.recipeIds.length).toLowerCase()}
            </Button>
          )}
          <Button onClick={() => uiStore.setState({ sheet: 'presets' })}>All presets</Button>
          <Button variant="subtle" onClick={() => uiStore.setState({ sheet: 'paste' })}>
            Paste recipe
          </Button>
        </>
      }
    >
      Most people begin with four: 8, 5, 4 and 3 bit. You can change everything afterwards.
    </EmptyState>
  )
}

/** Whether a recipe learns from the calibration text. */
function useIsLearning(): boolean {
  const axes = useStore(modelStore, (state) => state.catalogue?.axes)
  const entries = useStore(recipesStore, (state) => state.entries)
  return entries.some(({ recipe }) => {
    const transform = axes?.transform.find(({ kind }) => kind === recipe.transform.kind)
    const rounding = axes?.rounding.find(({ kind }) => kind === recipe.rounding.kind)
    return [transform, rounding].some((member) => (member?.learnsFrom ?? 'none') !== 'none')
  })
}

/** Decide what to try, seeing the price. */
export function RecipesScreen() {
  const { copyLink } = useActions()
  const entries = useStore(recipesStore, (state) => state.entries)
  const current = useStore(recipesStore, (state) => state.current)
  const isOpen = useStore(modelStore, (state) => state.summary !== null)
  const isLearning = useIsLearning()
  if (entries.length === 0) return <NoRecipes />
  const entry = entries.find((candidate) => candidate.recipe.id === current) ?? entries[0]
  const title = entries.length === 1 ? 'One recipe' : `${countInWords(entries.length)} recipes, one pass`
  return (
    <>
      <Headline
        title={title}
        actions={
          <>
            <Button onClick={() => uiStore.setState({ sheet: 'paste' })}>Paste recipe</Button>
            <Button leftSection={<Icon name="link" />} onClick={() => void copyLink(entries.map(({ recipe }) => recipe))}>
              Copy as link
            </Button>
          </>
        }
      >
        {isOpen
          ? 'All of them are made while the weights are read once. Sizes below are exact, not estimates.'
          : 'Open a model to see exact sizes, memory and time.'}
      </Headline>
      <PresetSets />
      {isOpen ? null : (
        <Note
          title="No model is open"
          actions={
            <Button size="xs" component="a" href="#open">
              Open a model
            </Button>
          }
        >
          Recipes can be put together now; sizes and the run need a model.
        </Note>
      )}
      <div className="qs-grid qs-recipes" style={{ marginTop: isOpen ? 0 : 16 }}>
        <RecipeList />
        <div className="qs-stack">
          {entry === undefined ? null : <Editor entry={entry} />}
          {isOpen ? <RiskNotes isQuiet /> : null}
          {isOpen && isLearning ? <CalibrationSettings /> : null}
          <TextSettings hasCalibration={!isLearning} />
        </div>
      </div>
      <PlanBar />
    </>
  )
}
