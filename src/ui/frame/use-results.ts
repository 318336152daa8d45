import { useMemo } from 'react'
import { useStore } from 'zustand'
import type { RecipePlan } from '../../pipeline/plan.ts'
import { recipesStore } from '../../state/recipes-store.ts'
import { effectivePins, planOf, quantizedOf, recommend, resultsOf } from '../../state/results.ts'
import { runStore } from '../../state/run-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import { uiStore } from '../../state/ui-store.ts'

/** Results of the shelf with the recommendation and the pins as shown. Hidden recipes take part in both. */
export function useResults() {
  const entries = useStore(recipesStore, (state) => state.entries)
  const pins = useStore(recipesStore, (state) => state.pins)
  const report = useStore(runStore, (state) => state.report)
  const budgetBytes = useStore(uiStore, (state) => state.budgetBytes)
  return useMemo(() => {
    const results = resultsOf(entries, report)
    const recommendation = recommend(results, budgetBytes)
    return { results, quantized: quantizedOf(entries, report), recommendation, pins: effectivePins(pins, results, recommendation) }
  }, [entries, pins, report, budgetBytes])
}

/** The plan of one recipe as it stands, `null` until it is known. */
export function useRecipePlan(id: string | null): RecipePlan | null {
  return useStore(textsStore, (state) => (id === null ? null : planOf(state.plan?.recipes, id)))
}
