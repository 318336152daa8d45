import { createStore } from 'zustand/vanilla'
import type {
  Catalogue,
  EngineSettings,
  Environment,
  ModelSummary,
  OpenProgress,
  StorageOverview,
  TensorDescription,
  UnfinishedRun,
} from '../rpc/contract.ts'
import type { Fault } from './fault.ts'

/** How opening stands. `what` is the name the person gave: a folder, a Hub id, "the sample". */
export type Opening =
  | { readonly kind: 'idle' }
  | { readonly kind: 'opening'; readonly from: OpenedFrom; readonly what: string; readonly progress: OpenProgress | null }
  | { readonly kind: 'failed'; readonly from: OpenedFrom; readonly what: string; readonly fault: Fault }

export type OpenedFrom = 'files' | 'hub' | 'sample'

/** The open model and what is known about this browser. Plain data; tensors never cross to this thread. */
export interface ModelState {
  readonly environment: Environment | null
  readonly settings: EngineSettings
  readonly catalogue: Catalogue | null
  readonly storage: StorageOverview | null
  readonly unfinished: UnfinishedRun | null
  readonly opening: Opening
  readonly summary: ModelSummary | null
  /** Checkpoint name of the tensor looked at in Inspect. */
  readonly selectedTensor: string | null
  /** Descriptions read so far, by tensor name. */
  readonly descriptions: Readonly<Record<string, TensorDescription>>
  /** Tensor being read now, and the fault of the last one that failed. */
  readonly describing: string | null
  readonly describeFault: Fault | null
  /** The worker could not be started: nothing works until the page is reloaded. */
  readonly serviceFault: Fault | null
}

export const defaultSettings: EngineSettings = {
  backend: 'automatic',
  threads: null,
  memoryLimitBytes: 2_000_000_000,
  hubEndpoint: 'https://huggingface.co',
}

export const initialModelState: ModelState = {
  environment: null,
  settings: defaultSettings,
  catalogue: null,
  storage: null,
  unfinished: null,
  opening: { kind: 'idle' },
  summary: null,
  selectedTensor: null,
  descriptions: {},
  describing: null,
  describeFault: null,
  serviceFault: null,
}

export const modelStore = createStore<ModelState>(() => initialModelState)
