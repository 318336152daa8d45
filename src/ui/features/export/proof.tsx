import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import type { ArtifactFile } from '../../../pipeline/report.ts'
import type { ExportStep } from '../../../rpc/contract.ts'
import { type ExportJob, exportsStore } from '../../../state/exports-store.ts'
import { modelStore } from '../../../state/model-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { bytes, exactBytes, percent, seconds } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Icon } from '../../parts/icon.tsx'
import { FaultNote } from '../../parts/note.tsx'

const order: readonly ExportStep[] = ['writing', 'reading-back', 'comparing', 'hashing', 'done']
const titles: Readonly<Record<ExportStep, string>> = {
  writing: 'Written',
  hashing: 'SHA-256 taken',
  'reading-back': 'Read back',
  comparing: 'Every tensor equals what was stored',
  done: 'Done',
}

/** The step that a job is in, as a place in the order; all done when it is. */
function placeOf(job: ExportJob): number {
  if (job.status === 'done') return order.length
  return job.progress === null ? -1 : order.indexOf(job.progress.step)
}

function Step({ job, step }: { readonly job: ExportJob; readonly step: ExportStep }) {
  const place = order.indexOf(step)
  const now = placeOf(job)
  const isDone = now > place
  const { progress } = job
  const share = progress === null || progress.bytes === 0 ? 0 : progress.bytesDone / progress.bytes
  const state = isDone ? '' : now === place && job.status === 'working' ? percent(share) : ''
  const total = job.result?.files.reduce((sum, file) => sum + file.bytes, 0) ?? 0
  const figure = isDone && step === 'writing' && total > 0 ? exactBytes(total) : state
  return (
    <li data-done={isDone ? true : undefined}>
      <Icon name={isDone ? 'tick' : 'wait'} />
      <span>
        {titles[step]}
        <span className="qs-hidden-text">{isDone ? ', done' : ', waiting'}</span>
      </span>
      <span>{figure}</span>
    </li>
  )
}

function copyHash(sha256: string): void {
  navigator.clipboard.writeText(sha256).then(
    () => notify('SHA-256 copied.'),
    () => notify('This browser did not let the page write to the clipboard.'),
  )
}

function FileRow({ file, storedPath }: { readonly file: ArtifactFile; readonly storedPath: string | null }) {
  const { downloadFile } = useActions()
  return (
    <li>
      {storedPath === null ? (
        <code>{file.path}</code>
      ) : (
        <button
          type="button"
          className="qs-link qs-mono"
          aria-label={`Save ${file.path} alone`}
          onClick={() => void downloadFile(storedPath, file.path)}
        >
          {file.path}
        </button>
      )}
      <span>
        {bytes(file.bytes)} ·{' '}
        <button
          type="button"
          className="qs-link qs-hash qs-mono"
          title={file.sha256}
          aria-label={`Copy SHA-256 of ${file.path}`}
          onClick={() => copyHash(file.sha256)}
        >
          {file.sha256.slice(0, 4)} {file.sha256.slice(4, 8)} … {file.sha256.slice(-4)}
        </button>
      </span>
    </li>
  )
}

function JobProof({ job }: { readonly job: ExportJob }) {
  const { download, retryExport } = useActions()
  const title = useStore(
    modelStore,
    (state) => state.catalogue?.targets.find((target) => target.id === job.targetId)?.title ?? job.targetId,
  )
  return (
    <div className="qs-proof">
      <div className="qs-row">
        <h3>
          {job.recipeId} · {title}
        </h3>
        <span className="qs-space" />
        <span className="qs-small qs-muted">{job.seconds === null ? '' : seconds(job.seconds)}</span>
      </div>
      {job.fault === null ? (
        <ul>
          {order
            .filter((step) => step !== 'done')
            .map((step) => (
              <Step key={step} job={job} step={step} />
            ))}
        </ul>
      ) : (
        <FaultNote
          fault={job.fault}
          actions={
            <Button size="xs" variant="filled" onClick={() => void retryExport(job)}>
              Write again
            </Button>
          }
        />
      )}
      {job.result === null ? null : (
        <>
          <ul className="qs-files">
            {job.result.files.map((file, index) => (
              <FileRow key={file.path} file={file} storedPath={job.result?.storedPaths[index] ?? null} />
            ))}
          </ul>
          {job.result.firstCommand === null ? null : (
            <p className="qs-small">
              On the device, from the README: <code className="qs-command">{job.result.firstCommand}</code>
            </p>
          )}
          {job.result.notes.map((note) => (
            <p key={note} className="qs-small qs-muted">
              {note}
            </p>
          ))}
          {job.destination === 'stored' ? (
            <Button size="xs" leftSection={<Icon name="save" />} style={{ marginTop: 8 }} onClick={() => void download(job)}>
              Save {job.recipeId} as {title} (.tar)
            </Button>
          ) : (
            <p className="qs-small qs-muted">
              In the folder you chose, under {job.recipeId}/{job.targetId}.
            </p>
          )}
        </>
      )}
    </div>
  )
}

/** Every line must be ticked before a file is called done. */
export function Proof() {
  const jobs = useStore(exportsStore, (state) => state.jobs)
  return (
    <Card title="Proof" subtitle="Every line must be ticked before a file is called done.">
      {jobs.length === 0 ? (
        <p className="qs-muted">
          Choose a recipe and a format, then write: the file is hashed, read back and compared before it can be saved.
        </p>
      ) : (
        jobs.map((job) => <JobProof key={`${job.recipeId}:${job.targetId}`} job={job} />)
      )}
    </Card>
  )
}
