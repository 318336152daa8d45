import { Button, SegmentedControl } from '@mantine/core'
import { useEffect } from 'react'
import { useStore } from 'zustand'
import { type ExportJob, exportsStore, isSameChoice } from '../../../state/exports-store.ts'
import { generationStore } from '../../../state/generation-store.ts'
import { modelStore } from '../../../state/model-store.ts'
import { agreement, drivableJobs, spread, type TestDrive, testDriveStore } from '../../../state/test-drive-store.ts'
import type { TestDriveDevice, TestDriveProgress } from '../../../testdrive/contract.ts'
import { useActions } from '../../actions.ts'
import { seconds, speed } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Icon } from '../../parts/icon.tsx'
import { FaultNote } from '../../parts/note.tsx'
import { Pairs, Progress } from '../../parts/small-parts.tsx'

const deviceNames: Readonly<Record<TestDriveDevice, string>> = { wasm: 'WASM', webgpu: 'WebGPU' }

const stepTexts: Readonly<Record<TestDriveProgress['step'], string>> = {
  loading: 'Loading the model',
  'warming-up': 'Warming up',
  running: 'Measuring',
}

function Result({ drive }: { readonly drive: TestDrive }) {
  const { result, studio, progress } = drive
  if (drive.fault !== null) return <FaultNote fault={drive.fault} />
  if (result === null) {
    const text = progress === null ? 'Reading the files' : stepTexts[progress.step]
    return (
      <>
        <p className="qs-small qs-muted">
          {text}
          {progress === null || progress.step === 'loading' ? '' : `, ${progress.done} of ${progress.of}`}
        </p>
        <Progress value={progress === null || progress.step === 'loading' ? null : progress.done / progress.of} label={text} />
      </>
    )
  }
  const { median, least, most } = spread(result.tokensPerSecond)
  const agrees = studio === null ? null : agreement(result.tokenIds, studio.tokenIds)
  return (
    <>
      <p className="qs-drive-text">
        <span className="qs-muted">{drive.prompt}</span>
        {result.text}
      </p>
      <Pairs
        pairs={[
          ['Tokens a second', `${speed(median)} (${speed(least)} to ${speed(most)} in ${result.tokensPerSecond.length} runs)`],
          [
            "Against the studio's own text",
            agrees === null
              ? 'comparing'
              : agrees.equal === agrees.of
                ? `${agrees.equal} of ${agrees.of} tokens equal`
                : `first ${agrees.equal} of ${agrees.of} tokens equal`,
          ],
          ['Loaded in', seconds(result.loadSeconds)],
          ['Runtime', `${result.runtime} ${result.version} on ${deviceNames[result.device]}`],
          ...(result.isRepeatable ? [] : [['Runs', 'made different tokens'] as const]),
        ]}
      />
    </>
  )
}

function Drive({ job, device }: { readonly job: ExportJob; readonly device: TestDriveDevice }) {
  const { testDrive, stopTestDrive } = useActions()
  const drives = useStore(testDriveStore, (state) => state.drives)
  const runtime = useStore(testDriveStore, (state) => state.runtimes.find(({ targets }) => targets.includes(job.targetId)))
  const title = useStore(modelStore, (state) => state.catalogue?.targets.find(({ id }) => id === job.targetId)?.title ?? job.targetId)
  const mine = drives.filter((drive) => isSameChoice(drive, job))
  const isRunning = mine.some((drive) => drive.status === 'running')
  const usable = runtime?.devices.includes(device) === true ? device : (runtime?.devices[0] ?? device)
  return (
    <div className="qs-proof">
      <div className="qs-row">
        <h3>
          {job.recipeId} · {title}
        </h3>
        <span className="qs-space" />
        {isRunning ? (
          <Button size="xs" leftSection={<Icon name="stop" />} onClick={stopTestDrive}>
            Stop
          </Button>
        ) : (
          <Button
            size="xs"
            onClick={() => void testDrive(job, usable)}
            aria-label={`Test drive ${job.recipeId} as ${title} on ${deviceNames[usable]}`}
          >
            Test drive on {deviceNames[usable]}
          </Button>
        )}
      </div>
      {mine.map((drive) => (
        <Result key={drive.device} drive={drive} />
      ))}
    </div>
  )
}

/** What was written, in the program it is for, before it is saved. */
export function TestDriveCard() {
  const { listRuntimes } = useActions()
  const runtimes = useStore(testDriveStore, (state) => state.runtimes)
  const device = useStore(testDriveStore, (state) => state.device)
  const jobs = useStore(exportsStore, (state) => state.jobs)
  const prompt = useStore(generationStore, (state) => state.prompt)
  const hasWebGpu = useStore(modelStore, (state) => (state.environment?.webgpu ?? null) !== null)
  useEffect(() => void listRuntimes(), [listRuntimes])
  const drivable = drivableJobs(jobs, runtimes)
  if (drivable.length === 0) return null
  return (
    <Card
      title="Test drive"
      subtitle={`The written file in the program it is for, in this tab: “${prompt}” continued by 20 tokens, 3 runs to warm up and 10 measured.`}
      tools={
        hasWebGpu ? (
          <SegmentedControl
            size="xs"
            aria-label="Where it runs"
            value={device}
            onChange={(value) => testDriveStore.setState({ device: value === 'webgpu' ? 'webgpu' : 'wasm' })}
            data={[
              { value: 'wasm', label: 'WASM' },
              { value: 'webgpu', label: 'WebGPU' },
            ]}
          />
        ) : undefined
      }
    >
      {drivable.map((job) => (
        <Drive key={`${job.recipeId}:${job.targetId}`} job={job} device={device} />
      ))}
    </Card>
  )
}
