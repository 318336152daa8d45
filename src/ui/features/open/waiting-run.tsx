import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { useActions } from '../../actions.ts'
import { bytes } from '../../format/numbers.ts'
import { Note } from '../../parts/note.tsx'

const moment = (iso: string): string => new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso))

/** A run of the open model that was stopped and can go on. */
export function WaitingRun() {
  const unfinished = useStore(modelStore, (state) => state.unfinished)
  const name = useStore(modelStore, (state) => state.summary?.name ?? '')
  const isBusy = useStore(runStore, isRunOn)
  const { resumeUnfinished, discardUnfinished } = useActions()
  if (unfinished === null || isBusy) return null
  return (
    <Note
      title="A run is waiting"
      icon="wait"
      actions={
        <>
          <Button size="xs" onClick={() => void resumeUnfinished()}>
            Resume
          </Button>
          <Button size="xs" variant="subtle" onClick={() => void discardUnfinished()}>
            Discard
          </Button>
        </>
      }
    >
      {name} stopped after block {unfinished.blocksDone} of {unfinished.blocks}, {moment(unfinished.stoppedAt)}. Everything finished is
      kept, {bytes(unfinished.storedBytes)}.
    </Note>
  )
}
