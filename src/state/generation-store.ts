import { createStore } from 'zustand/vanilla'
import type { Continuation } from '../rpc/contract.ts'
import type { Fault } from './fault.ts'

/** Key of float among recipe ids: an id cannot hold a colon. */
export const FLOAT = ':float'

export interface GenerationState {
  readonly status: 'idle' | 'running' | 'done' | 'failed'
  readonly prompt: string
  readonly maxTokens: number
  /** 0 is greedy. */
  readonly temperature: number
  readonly seed: number
  /** Text so far, by recipe id or `FLOAT`, while it runs. */
  readonly partial: Readonly<Record<string, { readonly tokens: number; readonly text: string }>>
  /** Finished continuations: float first, then in the order asked for. */
  readonly continuations: readonly Continuation[]
  readonly fault: Fault | null
}

export const initialGenerationState: GenerationState = {
  status: 'idle',
  prompt: 'Once upon a time',
  maxTokens: 64,
  temperature: 0,
  seed: 0,
  partial: {},
  continuations: [],
  fault: null,
}

export const generationStore = createStore<GenerationState>(() => initialGenerationState)
