import { useCallback, useMemo } from 'react'
import { useStore } from 'zustand'
import { deviceById } from '../../devices/device.ts'
import type { RecipePlan } from '../../pipeline/plan.ts'
import { exportsStore } from '../../state/exports-store.ts'
import { fileSizeOf } from '../../state/file-size.ts'
import { modelStore } from '../../state/model-store.ts'
import { recipesStore } from '../../state/recipes-store.ts'
import { effectivePins, planOf, quantizedOf, recommend, resultsOf } from '../../state/results.ts'
import { runStore } from '../../state/run-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import { uiStore } from '../../state/ui-store.ts'

/** Formats of the chosen device, the usual one first; none without a device. */
function useDeviceFormats(): readonly string[] {
  const device = useStore(exportsStore, (state) => state.options.device)
  return deviceById(device)?.targets ?? noFormats
}

const noFormats: readonly string[] = []

/** Results of the shelf with the recommendation and the pins as shown, sizes as of the chosen device. Hidden recipes take part in both. */
export function useResults() {
  const entries = useStore(recipesStore, (state) => state.entries)
  const pins = useStore(recipesStore, (state) => state.pins)
  const report = useStore(runStore, (state) => state.report)
  const plans = useStore(runStore, (state) => state.plan?.recipes)
  const budgetBytes = useStore(uiStore, (state) => state.budgetBytes)
  const formats = useDeviceFormats()
  return useMemo(() => {
    const sized = <R extends { readonly report: { readonly id: string } }>(result: R): R => {
      const plan = planOf(plans, result.report.id)
      return plan === null ? result : { ...result, report: { ...result.report, ...fileSizeOf(plan, formats) } }
    }
    const results = resultsOf(entries, report).map(sized)
    const recommendation = recommend(results, budgetBytes)
    const quantized = quantizedOf(entries, report).map(sized)
    return { results, quantized, recommendation, pins: effectivePins(pins, results, recommendation) }
  }, [entries, pins, report, plans, budgetBytes, formats])
}

/** The plan of one recipe as it stands, its size as of the chosen device; `null` until it is known. */
export function useRecipePlan(id: string | null): RecipePlan | null {
  const plan = useStore(textsStore, (state) => (id === null ? null : planOf(state.plan?.recipes, id)))
  const formats = useDeviceFormats()
  return useMemo(() => (plan === null ? null : { ...plan, ...fileSizeOf(plan, formats) }), [plan, formats])
}

/** Names of formats by their ids; of a recipe that no format holds, `stored`. */
export function useFormatTitle(): (id: string) => string {
  const targets = useStore(modelStore, (state) => state.catalogue?.targets)
  return useCallback((id) => targets?.find((target) => target.id === id)?.title ?? 'packed weights', [targets])
}
