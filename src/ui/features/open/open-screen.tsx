import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { bytes, counted } from '../../format/numbers.ts'
import { graphicsInWords, largestModelInWords } from '../../frame/backend.ts'
import { usePageTitle } from '../../parts/headline.tsx'
import { DropCard } from './drop-card.tsx'
import { HubCard } from './hub-card.tsx'
import { OpenState } from './open-state.tsx'
import { SampleCard } from './sample-card.tsx'
import { WaitingRun } from './waiting-run.tsx'
import './open.css'

const claim = 'Make a language model smaller.\nSee what it costs.'

/** Four facts about this browser. */
function Facts() {
  const environment = useStore(modelStore, (state) => state.environment)
  if (environment === null) return null
  const isThreaded = environment.crossOriginIsolated
  return (
    <dl className="qs-facts">
      <div>
        <dt className="qs-muted">Graphics</dt>
        <dd>{graphicsInWords(environment)}</dd>
      </div>
      <div>
        <dt className="qs-muted">Processor</dt>
        <dd>
          {counted(environment.threads, 'thread')}, SIMD{isThreaded ? '' : '; no shared memory'}
        </dd>
      </div>
      <div>
        <dt className="qs-muted">Free storage</dt>
        <dd>{bytes(environment.freeStorageBytes)}</dd>
      </div>
      <div>
        <dt className="qs-muted">Largest model here</dt>
        <dd>{largestModelInWords(environment.memoryLimitBytes)}</dd>
      </div>
    </dl>
  )
}

/** A model in, within one action. */
export function OpenScreen() {
  usePageTitle('Open a model')
  return (
    <div className="qs-land">
      <h1 tabIndex={-1}>{claim}</h1>
      <p className="qs-lead">
        Open a checkpoint, try many recipes at once, compare them on your own text, and take the file that fits your device. The work is
        done by this page, on this computer.
      </p>
      <div className="qs-grid qs-grid-7-5">
        <div className="qs-stack">
          <OpenState />
          <DropCard />
          <HubCard />
          <WaitingRun />
        </div>
        <div className="qs-stack">
          <SampleCard />
        </div>
      </div>
      <Facts />
    </div>
  )
}
