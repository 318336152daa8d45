import type { ModelSummary, OpenProgress } from '../../rpc/contract.ts'
import { exportsStore, initialExportsState } from '../../state/exports-store.ts'
import { faultOf } from '../../state/fault.ts'
import { generationStore, initialGenerationState } from '../../state/generation-store.ts'
import { modelStore, type OpenedFrom } from '../../state/model-store.ts'
import { initialRunState, runStore } from '../../state/run-store.ts'
import { type ChosenText, textsStore } from '../../state/texts-store.ts'
import { announce, uiStore } from '../../state/ui-store.ts'
import type { PickedFile, StudioActions } from '../../ui/actions.ts'
import { goTo } from '../routing.ts'
import { createBundledTexts } from './bundled-texts.ts'
import { type ControllerContext, createSlot, isStopped } from './context.ts'

type OpeningActions = Pick<
  StudioActions,
  'openFiles' | 'openHub' | 'openSample' | 'retryOpening' | 'takeBundledText' | 'cancelOpening' | 'dismissFault' | 'selectTensor'
> & {
  /** Opens the sample without going to Inspect; `false` when it could not be opened. */
  readonly openSampleQuietly: () => Promise<boolean>
}

/** The text a model came with, by what it is for. */
function bundledText(summary: ModelSummary, id: 'calibration' | 'evaluation'): ChosenText | null {
  const found = summary.bundledTexts.find((text) => text.id === id)
  return found === undefined ? null : { name: found.name, text: found.text, origin: 'bundled' }
}

/** A text that did not come with the model before. */
function keptText(text: ChosenText | null): ChosenText | null {
  return text?.origin === 'bundled' ? null : text
}

/** The model is in: what was measured on the one before is gone, texts that were chosen stay. */
function adopt(summary: ModelSummary): void {
  modelStore.setState({
    summary,
    opening: { kind: 'idle' },
    descriptions: {},
    selectedTensor: null,
    describing: null,
    describeFault: null,
    unfinished: null,
  })
  runStore.setState(initialRunState, true)
  generationStore.setState((state) => ({ ...initialGenerationState, prompt: state.prompt }), true)
  exportsStore.setState(initialExportsState, true)
  textsStore.setState((state) => ({
    evaluation: keptText(state.evaluation) ?? bundledText(summary, 'evaluation'),
    calibration: keptText(state.calibration) ?? bundledText(summary, 'calibration'),
    contextLength: Math.min(state.contextLength, summary.config.maxPositions),
    importance: null,
    calibrationContext: Math.min(state.calibrationContext, summary.config.maxPositions),
    plan: null,
    planFault: null,
  }))
  if (summary.originKind !== 'sample') uiStore.setState({ wasSampleRun: false })
  announce(`${summary.name} is open.`)
}

/**
 * Loose files have no folder to be named after: they join the folder that came with them, else a checkpoint file with a
 * name of its own names them, else "model".
 */
function inFolder(files: readonly PickedFile[]): readonly PickedFile[] {
  const folder = files.find(({ path }) => path.includes('/'))?.path.split('/')[0]
  const weights = files.find(({ path }) => /\.(safetensors|gguf)$/.test(path) && !path.startsWith('model'))
  const name = folder ?? weights?.path.replace(/(-\d+-of-\d+)?\.(safetensors|gguf)$/, '') ?? 'model'
  return files.map(({ path, file }) => ({ path: path.includes('/') ? path : `${name}/${path}`, file }))
}

export function createOpening({ service }: ControllerContext): OpeningActions {
  const bundledTexts = createBundledTexts()
  const opening = createSlot()
  const describing = createSlot()

  type Open = (onProgress: (progress: OpenProgress) => void, signal: AbortSignal) => Promise<ModelSummary>

  const open = async (from: OpenedFrom, what: string, start: Open): Promise<boolean> => {
    const signal = opening.begin()
    modelStore.setState({ opening: { kind: 'opening', from, what, progress: null } })
    const onProgress = (progress: OpenProgress): void => {
      if (opening.isCurrent(signal) && !signal.aborted) modelStore.setState({ opening: { kind: 'opening', from, what, progress } })
    }
    try {
      const opened = await start(onProgress, signal)
      const summary = opened.bundledTexts.length > 0 ? opened : { ...opened, bundledTexts: await bundledTexts() }
      if (!opening.isCurrent(signal)) return false
      adopt(summary)
      const [unfinished, storage] = await Promise.all([service.unfinishedRun(), service.storage()])
      modelStore.setState({ unfinished, storage })
      return true
    } catch (error) {
      if (!opening.isCurrent(signal)) return false
      const isQuiet = isStopped(error, signal)
      modelStore.setState({ opening: isQuiet ? { kind: 'idle' } : { kind: 'failed', from, what, fault: faultOf(error) } })
      if (!isQuiet) announce(faultOf(error).title)
      return false
    }
  }

  // Files of an opening that lacked one: the missing file may come by itself.
  let given: readonly PickedFile[] = []
  const withEarlier = (files: readonly PickedFile[]): readonly PickedFile[] => {
    const { opening: state } = modelStore.getState()
    if (state.kind !== 'failed' || state.fault.code !== 'file-missing' || state.from !== 'files') return files
    const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
    const names = new Set(files.map(({ path }) => base(path)))
    return [...given.filter(({ path }) => !names.has(base(path))), ...files]
  }

  // A token lives here and in the call, nowhere else.
  let again: () => Promise<void> = () => actions.openSample()

  const thenInspect = (isOpen: boolean): void => {
    if (!isOpen) return
    goTo('inspect')
    const first = modelStore.getState().summary?.tensors.find((tensor) => tensor.isQuantizable && tensor.block >= 0)
    if (first !== undefined) actions.selectTensor(first.name)
  }

  const openSampleQuietly = (): Promise<boolean> => open('sample', 'the sample', (_onProgress, signal) => service.openSample(signal))

  const actions: OpeningActions = {
    openSampleQuietly,
    async openFiles(dropped) {
      given = withEarlier(dropped)
      const files = inFolder(given)
      again = () => actions.openFiles(files)
      const what = files[0]?.path.split('/')[0] ?? 'files'
      thenInspect(await open('files', what, (onProgress, signal) => service.openFiles(files, onProgress, signal)))
    },
    async openHub(id, accessToken) {
      again = () => actions.openHub(id, accessToken)
      thenInspect(await open('hub', id, (onProgress, signal) => service.openHub({ id, accessToken }, onProgress, signal)))
    },
    async openSample() {
      again = () => actions.openSample()
      thenInspect(await openSampleQuietly())
    },
    async retryOpening() {
      await again()
    },
    takeBundledText() {
      const { summary } = modelStore.getState()
      if (summary !== null) textsStore.setState({ evaluation: bundledText(summary, 'evaluation') })
    },
    cancelOpening() {
      opening.stop()
      modelStore.setState({ opening: { kind: 'idle' } })
    },
    dismissFault() {
      if (modelStore.getState().opening.kind === 'failed') modelStore.setState({ opening: { kind: 'idle' } })
    },
    selectTensor(name) {
      const { descriptions } = modelStore.getState()
      modelStore.setState({ selectedTensor: name, describeFault: null })
      if (descriptions[name] !== undefined) return
      const signal = describing.begin()
      modelStore.setState({ describing: name })
      service.describeTensor(name, signal).then(
        (description) => {
          modelStore.setState((state) => ({
            descriptions: { ...state.descriptions, [name]: description },
            describing: state.describing === name ? null : state.describing,
          }))
        },
        (error: unknown) => {
          if (!describing.isCurrent(signal)) return
          modelStore.setState({ describing: null, describeFault: isStopped(error, signal) ? null : faultOf(error) })
        },
      )
    },
  }
  return actions
}
