import { faultOf } from '../../state/fault.ts'
import { FLOAT, generationStore } from '../../state/generation-store.ts'
import { recipesStore } from '../../state/recipes-store.ts'
import { resultsOf } from '../../state/results.ts'
import { runStore } from '../../state/run-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import { type ControllerContext, createSlot, isStopped } from './context.ts'

type GenerationActions = Pick<StudioActions, 'generate' | 'stopGeneration'>

export function createGenerating({ service }: ControllerContext): GenerationActions {
  const generating = createSlot()
  return {
    async generate() {
      const { report } = runStore.getState()
      if (report === null) return
      const { prompt, maxTokens, temperature, seed } = generationStore.getState()
      const { entries, hidden } = recipesStore.getState()
      const recipeIds = resultsOf(entries, report)
        .map((result) => result.recipe.id)
        .filter((id) => !hidden.has(id))
      const signal = generating.begin()
      generationStore.setState({ status: 'running', partial: {}, continuations: [], fault: null })
      try {
        const continuations = await service.generate(
          { prompt, maxTokens, temperature, seed, planHash: report.planHash, recipeIds },
          ({ recipeId, tokens, text }) => {
            if (generating.isCurrent(signal))
              generationStore.setState((state) => ({ partial: { ...state.partial, [recipeId ?? FLOAT]: { tokens, text } } }))
          },
          signal,
        )
        if (generating.isCurrent(signal)) generationStore.setState({ status: 'done', continuations })
      } catch (error) {
        if (!generating.isCurrent(signal)) return
        const isQuiet = isStopped(error, signal)
        generationStore.setState({ status: isQuiet ? 'idle' : 'failed', fault: isQuiet ? null : faultOf(error) })
      }
    },
    stopGeneration() {
      generating.stop()
    },
  }
}
