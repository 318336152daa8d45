import { createStore } from 'zustand/vanilla'

export const steps = ['open', 'inspect', 'recipes', 'run', 'compare', 'export'] as const
export type Step = (typeof steps)[number]

export type CompareView = 'overview' | 'layers' | 'text'
export type ScatterMeasure = 'perplexity' | 'kl' | 'same-top'
export type Scheme = 'light' | 'dark'

export interface Notice {
  readonly id: number
  readonly text: string
  readonly undo: (() => void) | null
}

/** How the page is looked at. Kept between visits: theme and the keyboard switch. */
export interface UiState {
  readonly step: Step
  /** `auto` follows the system. */
  readonly theme: 'auto' | Scheme
  /** Single keys as shortcuts. */
  readonly areKeysOn: boolean
  readonly sheet: 'settings' | 'privacy' | 'keys' | 'presets' | 'paste' | null
  readonly compareView: CompareView
  readonly scatterMeasure: ScatterMeasure
  /** The draggable line of the scatter; `null` without a budget. */
  readonly budgetBytes: number | null
  /** Column key of the results table and direction; in the address too. */
  readonly sort: { readonly column: string; readonly isDescending: boolean }
  /** Optional columns that are switched on, by key. */
  readonly columns: readonly string[]
  /** `all`, or the role of one linear in the layer charts. */
  readonly layerRole: string
  readonly notices: readonly Notice[]
  /** Last sentence for the polite live region. */
  readonly announcement: string
  /** The first run was the sample's: one line says what next. */
  readonly wasSampleRun: boolean
}

export const initialUiState: UiState = {
  step: 'open',
  theme: 'auto',
  areKeysOn: true,
  sheet: null,
  compareView: 'overview',
  scatterMeasure: 'perplexity',
  budgetBytes: null,
  sort: { column: 'size', isDescending: true },
  columns: [],
  layerRole: 'all',
  notices: [],
  announcement: '',
  wasSampleRun: false,
}

export const uiStore = createStore<UiState>(() => initialUiState)

let lastNotice = 0

/** Shows one line at the foot of the page. Undo stays possible until it is dismissed. */
export function notify(text: string, undo: (() => void) | null = null): void {
  lastNotice += 1
  const notice: Notice = { id: lastNotice, text, undo }
  uiStore.setState(({ notices }) => ({ notices: [...notices.slice(-2), notice], announcement: text }))
}

export function dismissNotice(id: number): void {
  uiStore.setState(({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) }))
}

export function announce(text: string): void {
  uiStore.setState({ announcement: text })
}
