import type { RunRequest } from '../../pipeline/plan.ts'
import { faultOf } from '../../state/fault.ts'
import { modelStore } from '../../state/model-store.ts'
import { recipesStore } from '../../state/recipes-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import type { ControllerContext } from './context.ts'

/** The request as the page stands; `null` without a model. */
export function currentRequest(): RunRequest | null {
  const { summary } = modelStore.getState()
  if (summary === null) return null
  const texts = textsStore.getState()
  return {
    recipes: recipesStore.getState().entries.map((entry) => entry.recipe),
    evaluation: texts.isMeasuring
      ? {
          text: texts.evaluation?.text ?? '',
          textName: texts.evaluation?.name ?? 'no text',
          protocol: texts.protocol,
          contextLength: texts.contextLength,
          maxTokens: texts.maxTokens,
          inputs: texts.inputs,
        }
      : null,
    calibration:
      texts.calibration === null
        ? null
        : {
            text: texts.calibration.text,
            textName: texts.calibration.name,
            maxTokens: texts.calibrationTokens,
            contextLength: texts.calibrationContext,
            usesChatTemplate: texts.usesChatTemplate && summary.hasChatTemplate,
          },
    importance: texts.importance,
    seed: texts.seed,
  }
}

/** What a plan follows from. */
const keys = [
  'isMeasuring',
  'evaluation',
  'calibration',
  'calibrationTokens',
  'calibrationContext',
  'usesChatTemplate',
  'importance',
  'protocol',
  'inputs',
  'contextLength',
  'maxTokens',
  'seed',
] as const

/** Milliseconds after the last change: the plan bar answers within 100. */
const SETTLE = 40

/** Keeps `textsStore.plan` true to recipes, texts, settings and model. Returns a function that ends it. */
export function startPlanning({ service }: ControllerContext): () => void {
  let newest = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const plan = async (): Promise<void> => {
    const request = currentRequest()
    newest += 1
    const mine = newest
    if (request === null) {
      textsStore.setState({ plan: null, planFault: null, isPlanning: false })
      return
    }
    textsStore.setState({ isPlanning: true })
    try {
      const found = await service.plan(request)
      if (mine === newest) textsStore.setState({ plan: found, planFault: null, isPlanning: false })
    } catch (error) {
      if (mine === newest) textsStore.setState({ plan: null, planFault: faultOf(error), isPlanning: false })
    }
  }
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void plan(), SETTLE)
  }

  const ends = [
    modelStore.subscribe((state, before) => {
      if (state.summary !== before.summary || state.environment !== before.environment || state.storage !== before.storage) soon()
    }),
    recipesStore.subscribe((state, before) => {
      if (state.entries !== before.entries) soon()
    }),
    textsStore.subscribe((state, before) => {
      if (keys.some((key) => state[key] !== before[key])) soon()
    }),
  ]
  soon()
  return () => {
    clearTimeout(timer)
    newest += 1
    for (const end of ends) end()
  }
}

/** Resolves when the plan is that of the present request. */
export async function settledPlan({ service }: ControllerContext): Promise<void> {
  const request = currentRequest()
  if (request === null) return
  const plan = await service.plan(request)
  textsStore.setState({ plan, planFault: null })
}
