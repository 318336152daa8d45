import { Button } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useStore } from 'zustand'
import type { ErrorCode } from '../../../core/errors.ts'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { textsStore } from '../../../state/texts-store.ts'
import { uiStore } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { bytes, clock, counted, duration, rate, significant } from '../../format/numbers.ts'
import { backendInWords } from '../../frame/backend.ts'
import { Card } from '../../parts/card.tsx'
import { Headline } from '../../parts/headline.tsx'
import { Icon } from '../../parts/icon.tsx'
import { FaultNote, Note } from '../../parts/note.tsx'
import { EmptyState, Pairs, Progress } from '../../parts/small-parts.tsx'
import { Findings } from './findings.tsx'
import { LiveLayers } from './live-layers.tsx'
import { runHeadline, runPhase, runSentence } from './run-text.ts'
import { Walk } from './walk.tsx'
import './run.css'

/** Seconds since `moment` was given, so that the clock runs between events. */
function useSecondsSince(moment: unknown, isOn: boolean): number {
  const [tick, setTick] = useState<{ readonly moment: unknown; readonly seconds: number }>({ moment, seconds: 0 })
  useEffect(() => {
    if (!isOn) return
    const began = performance.now()
    const timer = setInterval(() => setTick({ moment, seconds: (performance.now() - began) / 1000 }), 1000)
    return () => clearInterval(timer)
  }, [moment, isOn])
  return isOn && tick.moment === moment ? tick.seconds : 0
}

function Now() {
  const progress = useStore(runStore, (state) => state.progress)
  const planned = useStore(runStore, (state) => state.plan?.peakMemoryBytes ?? null)
  const status = useStore(runStore, (state) => state.status)
  const report = useStore(runStore, (state) => state.report)
  const environment = useStore(modelStore, (state) => state.environment)
  const isRunning = isRunOn({ status })
  const since = useSecondsSince(progress, isRunning)
  const elapsed = report?.seconds ?? (progress?.elapsedSeconds ?? 0) + since
  const remaining = progress?.remainingSeconds ?? null
  const { weightsPerSecond = null, tokensPerSecond = null, gflops = null } = progress?.rates ?? {}
  return (
    <section className="qs-card qs-card-body" aria-label="Now">
      <div className="qs-times">
        <div>
          <span className="qs-muted">Elapsed</span>
          <b>{clock(elapsed)}</b>
        </div>
        {isRunning ? (
          <div>
            <span className="qs-muted">Left, about</span>
            <b>{remaining === null ? '…' : clock(Math.max(0, remaining - since))}</b>
          </div>
        ) : null}
      </div>
      <Pairs
        pairs={[
          ['Now', runPhase(progress, status)],
          [
            'Forward passes',
            tokensPerSecond === null
              ? '–'
              : `${rate(tokensPerSecond, 'tokens')}${gflops === null ? '' : `, ${significant(gflops, 2)} GFLOP/s`}`,
          ],
          ['Quantizing', weightsPerSecond === null ? '–' : rate(weightsPerSecond, 'weights')],
          [
            'Memory',
            progress === null || progress.memoryBytes === null
              ? planned === null
                ? '–'
                : `at most ${bytes(planned)}`
              : `${bytes(progress.memoryBytes)}${planned === null ? '' : ` of ${bytes(planned)} planned`}`,
          ],
          ['Backend', environment === null ? '–' : backendInWords(environment)],
        ]}
      />
    </section>
  )
}

function Messages() {
  const messages = useStore(runStore, (state) => state.messages)
  if (messages.length === 0) return null
  return (
    <Card title="What happened">
      <ol className="qs-log" tabIndex={0} aria-label="Events, newest first">
        {messages.map((message, index) => (
          <li key={`${messages.length - index}`} data-severity={message.severity}>
            <time>{clock(message.at)}</time>
            <span>{message.text}</span>
          </li>
        ))}
      </ol>
    </Card>
  )
}

function Warnings() {
  const warnings = useStore(runStore, (state) => state.warnings)
  const [isAll, setAll] = useState(false)
  const shown = isAll ? warnings : warnings.slice(-3)
  return (
    <>
      {shown.map((text, index) => (
        <Note key={`${index}${text}`} title="Worth knowing" tone="warning">
          {text}
        </Note>
      ))}
      {warnings.length > shown.length ? (
        <Button size="xs" onClick={() => setAll(true)}>
          {warnings.length - shown.length} more
        </Button>
      ) : null}
    </>
  )
}

/** The ways out of a run that failed, by what made it fail. What is finished stays in all of them. */
function FaultActions({ code }: { readonly code: ErrorCode }) {
  const { takeBundledText } = useActions()
  const openSettings = (): void => uiStore.setState({ sheet: 'settings' })
  if (code === 'storage-full')
    return (
      <>
        <Button size="xs" onClick={openSettings}>
          Clear old runs
        </Button>
        <Button size="xs" component="a" href="#recipes">
          Drop recipes
        </Button>
      </>
    )
  if (code === 'text-too-short')
    return (
      <Button size="xs" onClick={takeBundledText}>
        Use the bundled text
      </Button>
    )
  if (code === 'worker-lost' || code === 'device-lost' || code === 'engine-failed')
    return (
      <Button size="xs" onClick={openSettings}>
        Settings
      </Button>
    )
  return null
}

function EmptyRun() {
  const { run } = useActions()
  const recipes = useStore(recipesStore, (state) => state.entries.length)
  const plan = useStore(textsStore, (state) => state.plan)
  const isReady = recipes > 0 && plan !== null && !plan.issues.some((issue) => issue.severity === 'error')
  const seconds = plan?.seconds.find((estimate) => estimate.seconds !== null)?.seconds ?? null
  return (
    <EmptyState
      title="Nothing is running"
      actions={
        isReady ? (
          <Button variant="filled" leftSection={<Icon name="play" />} onClick={() => void run()}>
            Run
          </Button>
        ) : (
          <Button variant="filled" component="a" href={plan === null ? '#open' : '#recipes'}>
            {plan === null ? 'Open a model' : 'Go to recipes'}
          </Button>
        )
      }
    >
      {isReady
        ? `The plan is ready: ${counted(recipes, 'recipe')}${seconds === null ? '' : `, ${duration(seconds)}`}.`
        : 'A run needs a model and at least one recipe.'}
    </EmptyState>
  )
}

function RunActions() {
  const { stop, run } = useActions()
  const status = useStore(runStore, (state) => state.status)
  const stored = useStore(runStore, (state) => state.storedBlocks)
  if (isRunOn({ status }))
    return (
      <>
        <Button component="a" href="#compare">
          Look at results so far
        </Button>
        <Button
          leftSection={<Icon name="stop" />}
          disabled={status === 'stopping'}
          title={`Stops after this block; ${stored} blocks are kept`}
          onClick={stop}
        >
          {status === 'stopping' ? 'Stopping' : 'Stop'}
        </Button>
      </>
    )
  if (status === 'finished')
    return (
      <Button variant="filled" component="a" href="#compare">
        Compare
      </Button>
    )
  return (
    <Button variant="filled" leftSection={<Icon name="play" />} onClick={() => void run()}>
      {stored > 0 ? 'Resume' : 'Run again'}
    </Button>
  )
}

/** Know it works and when it ends. */
export function RunScreen() {
  const { discardUnfinished } = useActions()
  const state = useStore(runStore)
  if (state.status === 'idle') return <EmptyRun />
  const { status, fault, storedBlocks, blocks } = state
  const done = state.report !== null ? 1 : blocks === 0 ? 0 : storedBlocks / (blocks + 1)
  return (
    <>
      <Headline title={runHeadline(state)} actions={<RunActions />}>
        {runSentence(state)}
      </Headline>
      <Progress value={done} label="Blocks stored" />
      <div className="qs-grid qs-grid-8-4" style={{ marginTop: 16 }}>
        <div className="qs-stack">
          {fault === null ? null : <FaultNote fault={fault} actions={<FaultActions code={fault.code} />} />}
          <Walk />
          <LiveLayers />
        </div>
        <div className="qs-stack">
          <Now />
          {status === 'stopped' && storedBlocks > 0 ? (
            <Note
              title={`Stopped after block ${storedBlocks}`}
              actions={
                <Button size="xs" variant="subtle" onClick={() => void discardUnfinished()}>
                  Discard
                </Button>
              }
            >
              {storedBlocks} of {blocks} blocks are kept.
            </Note>
          ) : null}
          <Findings />
          <Warnings />
          <Messages />
        </div>
      </div>
    </>
  )
}
