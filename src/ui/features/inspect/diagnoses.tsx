import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import type { Recipe } from '../../../quantization/recipe.ts'
import type { ModelSummary, TensorDescription } from '../../../rpc/contract.ts'
import { modelStore } from '../../../state/model-store.ts'
import { addRecipes, freeId, recipesStore, selectRecipe } from '../../../state/recipes-store.ts'
import { uiStore } from '../../../state/ui-store.ts'
import { bytes, count, percent, significant } from '../../format/numbers.ts'
import { Note } from '../../parts/note.tsx'

/** A ratio from which plain rounding of a group with such a channel loses visible precision: 3 of 4 bits and more. */
const loud = 8
/** Share of embedding and head from which quantizing them is worth a thought. */
const largeShare = 0.2

/** Adds an edited copy of the recipe in the editor and opens it; a remedy never changes the old one. */
function addCopy(recipe: Recipe, change: Partial<Recipe>, suffix: string): void {
  const ids = recipesStore.getState().entries.map((entry) => entry.recipe.id)
  const copy: Recipe = { ...recipe, ...change, id: freeId(`${recipe.id}-${suffix}`, ids) }
  addRecipes([copy])
  selectRecipe(copy.id)
  location.hash = 'recipes'
}

const choose = (): void => uiStore.setState({ sheet: 'presets' })

function LoudChannels({ description, recipe }: { readonly description: TensorDescription; readonly recipe: Recipe | undefined }) {
  const louder = description.loudestChannels.filter((channel) => channel.ratio >= loud)
  const first = louder[0]
  if (first === undefined) return null
  const override = { match: description.name, grid: 'float' } as const
  return (
    <Note
      tone="warning"
      title={
        louder.length === 1
          ? 'One input channel is far louder than the rest'
          : `${count(louder.length)} input channels are far louder than the rest`
      }
      actions={
        recipe === undefined ? (
          <Button size="xs" onClick={choose}>
            Choose a recipe first
          </Button>
        ) : (
          <Button size="xs" onClick={() => addCopy(recipe, { overrides: [override, ...recipe.overrides] }, 'kept')}>
            Add {recipe.id} with this tensor kept
          </Button>
        )
      }
    >
      {description.name}, channel {count(first.channel)} reaches {significant(first.ratio, 2)} times the median. A group that holds it has
      little precision left for its other weights.
    </Note>
  )
}

function LargeEmbedding({ summary, recipe }: { readonly summary: ModelSummary; readonly recipe: Recipe | undefined }) {
  const outside = summary.tensors.filter((tensor) => tensor.role === 'embedding' || tensor.role === 'head')
  const sizeBytes = outside.reduce((sum, tensor) => sum + tensor.sizeBytes, 0)
  const share = sizeBytes / summary.sourceBytes
  if (share < largeShare || (recipe !== undefined && recipe.embedding === 'grid')) return null
  const what = summary.config.isTied ? 'The embedding is' : 'Embedding and head are'
  return (
    <Note
      tone="warning"
      title={`${what} ${percent(share)} of the model`}
      actions={
        recipe === undefined ? (
          <Button size="xs" onClick={choose}>
            Choose a recipe first
          </Button>
        ) : (
          <Button size="xs" onClick={() => addCopy(recipe, { embedding: 'grid', head: 'grid' }, 'all')}>
            Add {recipe.id} with {summary.config.isTied ? 'it' : 'both'} quantized
          </Button>
        )
      }
    >
      {bytes(sizeBytes)} stay as they are in most recipes, so files shrink less than the bits suggest.
    </Note>
  )
}

/** What the headers and the selected tensor give reason to say; each with one remedy. */
export function Diagnoses({ summary }: { readonly summary: ModelSummary }) {
  const recipe = useStore(recipesStore, (state) => state.entries.find((entry) => entry.recipe.id === state.current)?.recipe)
  const description = useStore(modelStore, (state) =>
    state.selectedTensor === null ? undefined : state.descriptions[state.selectedTensor],
  )
  return (
    <>
      {description === undefined ? null : <LoudChannels description={description} recipe={recipe} />}
      <LargeEmbedding summary={summary} recipe={recipe} />
    </>
  )
}
