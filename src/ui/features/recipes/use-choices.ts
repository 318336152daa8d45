import { useEffect, useState } from 'react'
import { useStore } from 'zustand'
import type { RecipeChoices } from '../../../quantization/choices.ts'
import type { Recipe } from '../../../quantization/recipe.ts'
import { modelStore } from '../../../state/model-store.ts'
import { useActions } from '../../actions.ts'

/** What the recipe could take on each axis; until the answer is there, the last one, so that nothing flickers. */
export function useChoices(recipe: Recipe): RecipeChoices | null {
  const { choices } = useActions()
  const fingerprint = useStore(modelStore, (state) => state.summary?.fingerprint)
  const [found, setFound] = useState<RecipeChoices | null>(null)
  useEffect(() => {
    let isLate = false
    void choices(recipe).then((answer) => {
      if (!isLate) setFound(answer)
    })
    return () => {
      isLate = true
    }
  }, [choices, recipe, fingerprint])
  return found
}
