import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import { exportsStore, writtenJob } from '../../../state/exports-store.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { useActions } from '../../actions.ts'
import { bytes, counted } from '../../format/numbers.ts'
import { useResults } from '../../frame/use-results.ts'
import { Headline } from '../../parts/headline.tsx'
import { Icon } from '../../parts/icon.tsx'
import { EmptyState } from '../../parts/small-parts.tsx'
import { DevicePicker, useDevice } from './device-picker.tsx'
import { FitCard } from './fit-card.tsx'
import { FormatMatrix } from './format-matrix.tsx'
import { ImportanceCard } from './importance-card.tsx'
import { Proof } from './proof.tsx'
import { TestDriveCard } from './test-drive-card.tsx'
import './export.css'

/** Writing, then saving what is proved; one primary action at a time. */
function ExportActions() {
  const { exportChosen, stopExport, download, canPickFolder } = useActions()
  const state = useStore(exportsStore)
  const { chosen, jobs } = state
  const isWorking = jobs.some((job) => job.status === 'working')
  if (isWorking)
    return (
      <Button leftSection={<Icon name="stop" />} onClick={stopExport}>
        Stop
      </Button>
    )
  const saved = jobs.filter((job) => job.status === 'done' && job.destination === 'stored' && job.result !== null)
  const open = chosen.filter((choice) => writtenJob(state, choice) === undefined)
  const files = saved.flatMap((job) => job.result?.files ?? [])
  const canSave = saved.length > 0 && open.length === 0
  const save = async (): Promise<void> => {
    for (const job of saved) await download(job)
  }
  return (
    <>
      {canPickFolder && open.length > 0 ? (
        <Button onClick={() => void exportChosen('picked')} title="Writes straight into a folder of yours; nothing is kept in this browser">
          Write into a folder
        </Button>
      ) : null}
      {canSave ? (
        <Button variant="filled" leftSection={<Icon name="save" />} onClick={() => void save()} title="One .tar archive for each export">
          Save {counted(files.length, 'file')}, {bytes(files.reduce((sum, file) => sum + file.bytes, 0))}
        </Button>
      ) : (
        <Button variant="filled" disabled={open.length === 0} onClick={() => void exportChosen('stored')}>
          Write and check {open.length === 0 ? '' : counted(open.length, 'export')}
        </Button>
      )}
    </>
  )
}

/** Points to what is missing: a run, or the end of the one that is on. */
function NothingYet() {
  const isRunning = useStore(runStore, isRunOn)
  return (
    <EmptyState
      title="Nothing to export yet"
      actions={
        <Button variant="filled" component="a" href={isRunning ? '#run' : '#recipes'}>
          {isRunning ? 'Watch the run' : 'Go to recipes'}
        </Button>
      }
    >
      {isRunning ? 'Files can be written when the run has ended.' : 'Run at least one recipe first.'}
    </EmptyState>
  )
}

/** Which format, and the proof that the file is what was measured. */
export function ExportScreen() {
  const { quantized, pins } = useResults()
  const device = useDevice()
  const looked = useStore(exportsStore, (state) => state.chosen.at(-1)?.recipeId)
  if (quantized.length === 0) return <NothingYet />
  return (
    <>
      <Headline title="Where will it run?" actions={<ExportActions />}>
        The device decides the format. Nothing is quantized again; the stored tensors are written out, read back and compared.
      </Headline>
      <DevicePicker />
      <div className="qs-grid qs-grid-7-5">
        <FormatMatrix results={quantized} pinned={pins.a?.recipe.id ?? null} />
        <div className="qs-stack">
          {device === null ? null : <FitCard device={device} recipeId={looked ?? pins.a?.recipe.id ?? quantized[0]?.recipe.id ?? ''} />}
          <Proof />
          <TestDriveCard />
          <ImportanceCard />
        </div>
      </div>
    </>
  )
}
