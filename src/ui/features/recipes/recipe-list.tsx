import { useStore } from 'zustand'
import { type RecipeEntry, recipesStore, selectRecipe } from '../../../state/recipes-store.ts'
import { bits, megabytes } from '../../format/numbers.ts'
import { useFormatTitle, useRecipePlan } from '../../frame/use-results.ts'
import { Marker } from '../../theme/recipe-style.tsx'

function Line({ entry }: { readonly entry: RecipeEntry }) {
  const { id } = entry.recipe
  const plan = useRecipePlan(id)
  const titleOf = useFormatTitle()
  const isCurrent = useStore(recipesStore, (state) => state.current === id)
  return (
    <li>
      <button type="button" aria-current={isCurrent ? 'true' : undefined} onClick={() => selectRecipe(id)}>
        <Marker slot={entry.slot} />
        <span className="qs-mono">{id}</span>
        <span className="qs-nowrap">{plan === null ? '…' : `${megabytes(plan.bytes)} MB`}</span>
        <small>
          <span>{plan?.summary ?? ' '}</span>
          <span>{plan === null ? '' : `${titleOf(plan.bytesOf)}, ${bits(plan.bitsPerWeight)} bit`}</span>
        </small>
      </button>
    </li>
  )
}

export function RecipeList() {
  const entries = useStore(recipesStore, (state) => state.entries)
  return (
    <nav className="qs-card" aria-label="Recipes on the shelf">
      <ul className="qs-recipe-list">
        {entries.map((entry) => (
          <Line key={entry.recipe.id} entry={entry} />
        ))}
      </ul>
    </nav>
  )
}
