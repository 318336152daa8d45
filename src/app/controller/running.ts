import type { RunEvent } from '../../pipeline/events.ts'
import type { RunRequest } from '../../pipeline/plan.ts'
import { exportsStore, initialExportsState } from '../../state/exports-store.ts'
import { faultOf } from '../../state/fault.ts'
import { generationStore } from '../../state/generation-store.ts'
import { modelStore } from '../../state/model-store.ts'
import { addRecipes, recipesStore, setRecipes } from '../../state/recipes-store.ts'
import { foldRunEvent, initialRunState, runStore } from '../../state/run-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import { announce, uiStore } from '../../state/ui-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import { goTo } from '../routing.ts'
import { type ControllerContext, createSlot, isStopped } from './context.ts'
import { currentRequest, settledPlan } from './planning.ts'

type RunActions = Pick<StudioActions, 'run' | 'stop' | 'resumeUnfinished' | 'discardUnfinished' | 'quantizeSample'>

/** Charts redraw at most twice a second during a run. */
const REDRAW = 500
/** Messages to screen readers at most one every 10 s. */
const ANNOUNCE = 10_000

/** Collects events and folds them into the store together, so that a burst costs one render. */
function createFolder(): { push(event: RunEvent): void; flush(): void } {
  let waiting: RunEvent[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let lastSaid = 0
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length === 0) return
    const events = waiting
    waiting = []
    runStore.setState((state) => events.reduce(foldRunEvent, state), true)
    const { storedBlocks, blocks } = runStore.getState()
    if (Date.now() - lastSaid >= ANNOUNCE && storedBlocks > 0) {
      lastSaid = Date.now()
      announce(`Block ${storedBlocks} of ${blocks} stored.`)
    }
  }
  return {
    push(event) {
      waiting.push(event)
      timer ??= setTimeout(flush, REDRAW)
    },
    flush,
  }
}

export function createRunning(context: ControllerContext, openSample: () => Promise<boolean>): RunActions {
  const { service } = context
  const running = createSlot()

  const refreshStorage = async (): Promise<void> => {
    const [unfinished, storage] = await Promise.all([service.unfinishedRun(), service.storage()])
    modelStore.setState({ unfinished, storage })
  }

  const start = async (request: RunRequest): Promise<void> => {
    const signal = running.begin()
    const { plan } = textsStore.getState()
    const folder = createFolder()
    runStore.setState({ ...initialRunState, status: 'running', request, plan, planHash: plan?.hash ?? null }, true)
    generationStore.setState({ status: 'idle', partial: {}, continuations: [], fault: null })
    // What was written is of the run before; where the files will run stays.
    exportsStore.setState({ ...initialExportsState, options: exportsStore.getState().options }, true)
    try {
      // The plan on the page may be that of a moment ago; sizes and formats are shown from the run's own.
      const own = await service.plan(request)
      runStore.setState({ plan: own, planHash: own.hash })
      await service.run(request, (event) => folder.push(event), signal)
      folder.flush()
      if (!running.isCurrent(signal)) return
      runStore.setState({ status: 'finished' })
      announce(`Finished: ${request.recipes.length} recipes are ${request.evaluation === null ? 'quantized' : 'measured'}.`)
    } catch (error) {
      folder.flush()
      if (!running.isCurrent(signal)) return
      const stopped = isStopped(error, signal)
      runStore.setState({ status: stopped ? 'stopped' : 'failed', fault: stopped ? null : faultOf(error) })
      announce(stopped ? `Stopped after block ${runStore.getState().storedBlocks}.` : faultOf(error).title)
    }
    await refreshStorage().catch(() => undefined)
  }

  const isRunning = (): boolean => ['running', 'stopping'].includes(runStore.getState().status)

  return {
    async run() {
      const request = currentRequest()
      if (request === null || request.recipes.length === 0 || isRunning()) return
      goTo('run')
      await start(request)
    },
    stop() {
      if (runStore.getState().status !== 'running') return
      runStore.setState({ status: 'stopping' })
      running.stop()
    },
    async resumeUnfinished() {
      const { unfinished } = modelStore.getState()
      if (unfinished === null || isRunning()) return
      const { recipes, evaluation, calibration, importance, seed } = unfinished.request
      setRecipes(recipes)
      textsStore.setState({
        calibration: calibration === null ? null : { name: calibration.textName, text: calibration.text, origin: 'own' },
        calibrationTokens: calibration?.maxTokens ?? textsStore.getState().calibrationTokens,
        calibrationContext: calibration?.contextLength ?? textsStore.getState().calibrationContext,
        usesChatTemplate: calibration?.usesChatTemplate ?? textsStore.getState().usesChatTemplate,
        importance,
        isMeasuring: evaluation !== null,
        seed,
      })
      if (evaluation !== null)
        textsStore.setState({
          evaluation: { name: evaluation.textName, text: evaluation.text, origin: 'own' },
          protocol: evaluation.protocol,
          contextLength: evaluation.contextLength,
          maxTokens: evaluation.maxTokens,
          inputs: evaluation.inputs,
        })
      goTo('run')
      await settledPlan(context)
      await start(unfinished.request)
    },
    async discardUnfinished() {
      const { unfinished } = modelStore.getState()
      if (unfinished === null) return
      await service.discardRun(unfinished.planHash)
      if (runStore.getState().planHash === unfinished.planHash) runStore.setState(initialRunState, true)
      await refreshStorage()
    },
    async quantizeSample() {
      if (isRunning()) return
      if (!(await openSample())) return
      const set = modelStore.getState().catalogue?.sets[0]
      if (recipesStore.getState().entries.length === 0 && set !== undefined)
        addRecipes(await Promise.all(set.recipeIds.map((id) => service.parseRecipe(id))))
      textsStore.setState({ isMeasuring: true })
      uiStore.setState({ wasSampleRun: true })
      await settledPlan(context)
      const request = currentRequest()
      if (request === null) return
      goTo('compare')
      await start(request)
    },
  }
}
