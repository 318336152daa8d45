import { createStore } from 'zustand/vanilla'
import type { InputsId, ProtocolId } from '../evaluation/result.ts'
import type { ImportanceSettings, Plan } from '../pipeline/plan.ts'
import type { Fault } from './fault.ts'

/** A text to measure or calibrate on. */
export interface ChosenText {
  readonly name: string
  readonly text: string
  /** Came with the model, from the person, or from a data set of the Hub. */
  readonly origin: 'bundled' | 'own' | 'hub'
}

export type TextPurpose = 'evaluation' | 'calibration'

/** How far a text of the Hub has come. */
export type HubTextState =
  | { readonly kind: 'idle' }
  /** `progress`: a sentence, `null` before the first byte. */
  | { readonly kind: 'fetching'; readonly progress: string | null }
  | { readonly kind: 'failed'; readonly fault: Fault }

/** What a run measures on, and the plan that follows from it and the recipes. */
export interface TextsState {
  /** Off: recipes are quantized for their files alone, and nothing runs through the model. */
  readonly isMeasuring: boolean
  readonly evaluation: ChosenText | null
  /** `null`: the first windows of the evaluation text. */
  readonly calibration: ChosenText | null
  readonly calibrationTokens: number
  /** Tokens a window of the calibration text. */
  readonly calibrationContext: number
  /** Puts documents of the calibration text into the model's chat template, if it has one. */
  readonly usesChatTemplate: boolean
  readonly hub: Readonly<Record<TextPurpose, HubTextState>>
  /** An imatrix file of the person's, instead of measuring importance. */
  readonly importance: ImportanceSettings | null
  readonly protocol: ProtocolId
  readonly inputs: InputsId
  readonly contextLength: number
  /** `null` for all. */
  readonly maxTokens: number | null
  readonly seed: number
  /** Of the request as it stands; the last good one while a new one is computed. */
  readonly plan: Plan | null
  readonly planFault: Fault | null
  readonly isPlanning: boolean
}

export const initialTextsState: TextsState = {
  isMeasuring: true,
  evaluation: null,
  calibration: null,
  calibrationTokens: 8192,
  calibrationContext: 256,
  usesChatTemplate: false,
  hub: { evaluation: { kind: 'idle' }, calibration: { kind: 'idle' } },
  importance: null,
  protocol: 'windows',
  inputs: 'float',
  contextLength: 256,
  maxTokens: 20_480,
  seed: 0,
  plan: null,
  planFault: null,
  isPlanning: false,
}

export const textsStore = createStore<TextsState>(() => initialTextsState)
