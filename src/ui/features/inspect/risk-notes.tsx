import { Button } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useStore } from 'zustand'
import type { Recipe } from '../../../quantization/recipe.ts'
import type { RiskCheck } from '../../../rpc/contract.ts'
import { modelStore } from '../../../state/model-store.ts'
import { addRecipes, freeId, recipesStore, selectRecipe } from '../../../state/recipes-store.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { Note } from '../../parts/note.tsx'
import { riskSummary, risksOf } from './risk-text.ts'

/** Milliseconds a recipe must stay as it is before weights are read for it. */
const settle = 400

/** The risk check of a recipe on the open model; `null` until it is there, and while a run needs the machine. */
function useRisk(recipe: Recipe | undefined): RiskCheck | null {
  const { riskCheck } = useActions()
  const fingerprint = useStore(modelStore, (state) => state.summary?.fingerprint)
  const isBusy = useStore(runStore, isRunOn)
  const [found, setFound] = useState<{ readonly recipe: Recipe; readonly model: string; readonly check: RiskCheck | null } | null>(null)
  const isKnown = found !== null && found.recipe === recipe && found.model === fingerprint
  useEffect(() => {
    if (recipe === undefined || fingerprint === undefined || isBusy || isKnown) return
    const controller = new AbortController()
    const timer = setTimeout(() => {
      void riskCheck(recipe, controller.signal).then((check) => {
        if (!controller.signal.aborted) setFound({ recipe, model: fingerprint, check })
      })
    }, settle)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [riskCheck, recipe, fingerprint, isBusy, isKnown])
  return isKnown ? found.check : null
}

/** The better recipe beside the old one, which stays; one that is on the shelf already is opened. */
function take(recipe: Recipe): void {
  const { entries } = recipesStore.getState()
  const isThere = entries.some((entry) => JSON.stringify(entry.recipe) === JSON.stringify(recipe))
  const taken = entries.map((entry) => entry.recipe.id)
  const id = isThere ? recipe.id : freeId(recipe.id, taken)
  addRecipes([{ ...recipe, id }])
  selectRecipe(id)
  notify(`${id} is on the shelf beside the recipe it came from.`)
  location.hash = 'recipes'
}

/** What the weights themselves say about the recipe in the editor, before anything runs; each with what to choose instead. */
export function RiskNotes({ isQuiet = false }: { readonly isQuiet?: boolean }) {
  const recipe = useStore(recipesStore, (state) => state.entries.find((entry) => entry.recipe.id === state.current)?.recipe)
  const check = useRisk(recipe)
  if (recipe === undefined || check === null || check.layers.length === 0) return null
  const risks = risksOf(check, recipe)
  return (
    <section className="qs-stack" aria-label={`Risks of ${recipe.id}`}>
      {risks.map(({ key, title, text, remedy }) => (
        <Note
          key={key}
          tone="warning"
          title={title}
          actions={
            remedy === null ? undefined : (
              <Button size="xs" onClick={() => take(remedy.recipe)}>
                {remedy.label}
              </Button>
            )
          }
        >
          {text}
        </Note>
      ))}
      {isQuiet && risks.length > 0 ? null : (
        <Note title={risks.length === 0 ? `Nothing speaks against ${recipe.id}` : `Before running ${recipe.id}`}>{riskSummary(check)}</Note>
      )}
    </section>
  )
}
