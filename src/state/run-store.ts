import { createStore } from 'zustand/vanilla'
import type { LayerResult } from '../evaluation/result.ts'
import type { RunEvent } from '../pipeline/events.ts'
import type { Plan, RunRequest } from '../pipeline/plan.ts'
import type { RunReport } from '../pipeline/report.ts'
import type { Fault } from './fault.ts'

export type Progress = Extract<RunEvent, { kind: 'progress' }>

/** One recipe's block, stored and measured. */
export interface BlockCell {
  readonly block: number
  /** Mean over the block's quantized linears of |X(W-Q)^T|^2 / |XW^T|^2. */
  readonly outputError: number | null
  readonly layers: readonly LayerResult[]
}

export interface RunMessage {
  /** Seconds since the run began. */
  readonly at: number
  readonly severity: 'note' | 'warning'
  readonly text: string
}

export type RunStatus = 'idle' | 'running' | 'stopping' | 'stopped' | 'failed' | 'finished'

/** A run folded from its events: enough for the walk, the live chart and the results. */
export interface RunState {
  readonly status: RunStatus
  /** What runs or ran. */
  readonly request: RunRequest | null
  /** The plan as it was when the run was started: memory bound, sizes. */
  readonly plan: Plan | null
  readonly planHash: string | null
  readonly blocks: number
  /** Blocks taken over from a stopped run. */
  readonly resumedBlocks: number
  /** Blocks stored for all recipes. */
  readonly storedBlocks: number
  readonly progress: Progress | null
  /** By recipe id, then by block. Embedding and head results are under block -1. */
  readonly cells: Readonly<Record<string, Readonly<Record<number, BlockCell>>>>
  /** Newest first. */
  readonly messages: readonly RunMessage[]
  /** Warnings alone, in order. */
  readonly warnings: readonly string[]
  readonly report: RunReport | null
  readonly fault: Fault | null
}

/** Whether a run is on; one that is being stopped still is. */
export const isRunOn = ({ status }: Pick<RunState, 'status'>): boolean => status === 'running' || status === 'stopping'

export const initialRunState: RunState = {
  status: 'idle',
  request: null,
  plan: null,
  planHash: null,
  blocks: 0,
  resumedBlocks: 0,
  storedBlocks: 0,
  progress: null,
  cells: {},
  messages: [],
  warnings: [],
  report: null,
  fault: null,
}

export const runStore = createStore<RunState>(() => initialRunState)

/** Geometric spread is what log charts show, yet a block's error is a plain mean of its linears' ratios. */
function meanOutputError(layers: readonly LayerResult[]): number | null {
  const errors = layers.flatMap(({ outputError }) => (outputError === null ? [] : [outputError]))
  return errors.length === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / errors.length
}

const MESSAGES_KEPT = 200

/** Pure: the state after one event. */
export function foldRunEvent(state: RunState, event: RunEvent): RunState {
  const at = state.progress?.elapsedSeconds ?? 0
  const say = (severity: RunMessage['severity'], text: string): readonly RunMessage[] =>
    [{ at, severity, text }, ...state.messages].slice(0, MESSAGES_KEPT)
  switch (event.kind) {
    case 'started': {
      const resumed = event.resumedBlocks > 0 ? `, ${event.resumedBlocks} blocks kept from before` : ''
      return {
        ...state,
        planHash: event.planHash,
        blocks: event.blocks,
        resumedBlocks: event.resumedBlocks,
        storedBlocks: event.resumedBlocks,
        messages: say('note', `Seed ${state.request?.seed ?? 0}, plan ${event.planHash.slice(0, 8)}${resumed}`),
      }
    }
    case 'progress':
      return { ...state, progress: event, blocks: event.blocks }
    case 'layers': {
      const cell: BlockCell = { block: event.block, outputError: meanOutputError(event.layers), layers: event.layers }
      return { ...state, cells: { ...state.cells, [event.recipeId]: { ...state.cells[event.recipeId], [event.block]: cell } } }
    }
    case 'block-stored':
      return {
        ...state,
        storedBlocks: Math.max(state.storedBlocks, event.block + 1),
        messages: say('note', `Block ${event.block} stored, ${state.request?.recipes.length ?? 0} recipes`),
      }
    case 'notice':
      return {
        ...state,
        messages: say(event.severity, event.text),
        warnings: event.severity === 'warning' ? [...state.warnings, event.text] : state.warnings,
      }
    case 'finished':
      return { ...state, status: 'finished', report: event.report, cells: cellsOf(event.report), messages: say('note', 'Finished') }
  }
}

/** The same cells from a final report: a resumed run sends no events for blocks that were already there. */
export function cellsOf(report: RunReport): RunState['cells'] {
  const cells: Record<string, Record<number, BlockCell>> = {}
  for (const recipe of report.recipes) {
    const byBlock = new Map<number, LayerResult[]>()
    for (const layer of recipe.layers) byBlock.set(layer.block, [...(byBlock.get(layer.block) ?? []), layer])
    cells[recipe.id] = Object.fromEntries(
      [...byBlock].map(([block, layers]) => [block, { block, outputError: meanOutputError(layers), layers }]),
    )
  }
  return cells
}
