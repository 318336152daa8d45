import type { RunState } from '../../../state/run-store.ts'
import { clock, counted, duration, seconds } from '../../format/numbers.ts'

/** Headline of the run: where it is and when it ends; nothing about time before the second block. */
export function runHeadline({ status, progress, blocks, storedBlocks, report, request }: RunState): string {
  if (status === 'finished' && report !== null)
    return `${counted(request?.recipes.length ?? 0, 'recipe')} ${report.evaluation === null ? `quantized in ${seconds(report.seconds)}` : `measured in ${clock(report.seconds)}`}`
  if (status === 'stopped') return storedBlocks > 0 ? `Stopped after block ${storedBlocks}` : 'Stopped before the first block was stored'
  if (status === 'failed')
    return storedBlocks > 0 ? `The run ended after block ${storedBlocks}` : 'The run ended before the first block was stored'
  if (status === 'stopping') return 'Stopping after this block'
  if (progress === null || blocks === 0) return 'Starting'
  const left = progress.remainingSeconds === null ? 'measuring …' : `${duration(progress.remainingSeconds)} left`
  return progress.block >= blocks ? `Head, ${left}` : `Block ${progress.block + 1} of ${blocks}, ${left}`
}

/** The sentence below it: what is safe. */
export function runSentence({ status, blocks, storedBlocks, request }: RunState): string {
  const recipes = counted(request?.recipes.length ?? 0, 'recipe')
  if (status === 'finished')
    return 'Each block was read once and used by every recipe. The quantized tensors are stored in this browser for exports.'
  if (status === 'stopped' || status === 'failed')
    return storedBlocks > 0
      ? `${storedBlocks} of ${blocks} blocks are kept for ${recipes}. Resuming goes on from there.`
      : 'No block was finished, so there is nothing to keep. Recipes and texts are as they were.'
  return 'Each block is read once and used by every recipe. What is finished is stored; closing the tab loses at most one block.'
}

const phases: Readonly<Record<NonNullable<RunState['progress']>['phase'], string>> = {
  reading: 'reading weights',
  float: 'float pass',
  calibrating: 'calibrating',
  quantizing: 'quantizing',
  measuring: 'measuring layers',
  forward: 'forward pass',
  head: 'head',
}

/** What is happening now, and to whom. */
export function runPhase(progress: RunState['progress'], status: RunState['status']): string {
  if (status === 'finished') return 'finished'
  if (status === 'stopped') return 'stopped'
  if (status === 'failed') return 'ended'
  if (progress === null) return 'starting'
  return progress.recipeId === null ? phases[progress.phase] : `${progress.recipeId}, ${phases[progress.phase]}`
}
