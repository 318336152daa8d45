import { useStore } from 'zustand'
import { modelStore } from '../../state/model-store.ts'
import { runStore } from '../../state/run-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import { uiStore } from '../../state/ui-store.ts'
import { bytes, duration } from '../format/numbers.ts'
import { Icon } from '../parts/icon.tsx'
import { backendInWords } from './backend.ts'

function Memory() {
  const used = useStore(runStore, (state) => state.progress?.memoryBytes ?? null)
  const isRunning = useStore(runStore, (state) => state.status === 'running')
  const plannedForRun = useStore(runStore, (state) => state.plan?.peakMemoryBytes ?? null)
  const plannedNow = useStore(textsStore, (state) => state.plan?.peakMemoryBytes ?? null)
  const planned = isRunning ? plannedForRun : plannedNow
  if (planned === null) return null
  if (!isRunning || used === null) return <span className="qs-broad">Memory, at most {bytes(planned)}</span>
  return (
    <span className="qs-broad">
      Memory
      <span className="qs-meter" aria-hidden="true">
        <i style={{ width: `${Math.min(100, (100 * used) / planned)}%` }} />
      </span>
      {bytes(used)} of {bytes(planned)} planned
    </span>
  )
}

function Storage() {
  const storage = useStore(modelStore, (state) => state.storage)
  if (storage === null) return null
  const kept = storage.hubBytes + storage.runBytes + storage.exportBytes
  return (
    <span className="qs-broad qs-wide">
      Kept in this browser: {bytes(kept)}
      {kept > 0 ? (
        <button type="button" className="qs-link" onClick={() => uiStore.setState({ sheet: 'settings' })}>
          Clear
        </button>
      ) : null}
    </span>
  )
}

/** The run's progress while another step is open. */
function RunElsewhere() {
  const status = useStore(runStore, (state) => state.status)
  const blocks = useStore(runStore, (state) => state.blocks)
  const stored = useStore(runStore, (state) => state.storedBlocks)
  const remaining = useStore(runStore, (state) => state.progress?.remainingSeconds ?? null)
  const step = useStore(uiStore, (state) => state.step)
  if (step === 'run' || (status !== 'running' && status !== 'stopping')) return null
  return (
    <a href="#run">
      {status === 'stopping' ? 'Stopping' : `Running: block ${stored} of ${blocks}`}
      {remaining === null ? '' : `, ${duration(remaining)} left`}
    </a>
  )
}

/** Backend in use, memory, storage, and the run when another step is open. */
export function StatusBar() {
  const environment = useStore(modelStore, (state) => state.environment)
  return (
    <footer className="qs-foot">
      <span>
        <Icon name="chip" />
        {environment === null ? 'Starting' : backendInWords(environment)}
      </span>
      <Memory />
      <Storage />
      <span className="qs-space qs-broad" />
      <RunElsewhere />
    </footer>
  )
}
