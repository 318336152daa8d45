import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { useStore } from 'zustand'
import type { Plan, PlanIssue } from '../../../pipeline/plan.ts'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { textsStore } from '../../../state/texts-store.ts'
import { useActions } from '../../actions.ts'
import { bytes, counted, duration } from '../../format/numbers.ts'
import { Icon } from '../../parts/icon.tsx'
import { FaultNote } from '../../parts/note.tsx'
import { groupIssues } from './group-issues.ts'

function Fact({
  value,
  children,
  isFault = false,
  optional = '',
}: {
  readonly value: string
  readonly children: ReactNode
  readonly isFault?: boolean
  readonly optional?: string
}) {
  return (
    <div className={`qs-plan-fact ${optional}`} data-fault={isFault ? true : undefined}>
      <b>{value}</b>
      <span>{children}</span>
    </div>
  )
}

/** Time on the first backend that has an estimate, and the others in words. */
function timeInWords({ seconds }: Plan): readonly [value: string, rest: string] {
  const known = seconds.flatMap(({ backend, seconds: time }) => (time === null ? [] : [{ backend, time }]))
  const [first, ...others] = known
  if (first === undefined) return ['–', 'time is known after the first block']
  return [duration(first.time), [first.backend, ...others.map(({ backend, time }) => `${duration(time)} on ${backend}`)].join('; ')]
}

function Issues({ issues }: { readonly issues: readonly PlanIssue[] }) {
  const { takeBundledText } = useActions()
  const isOwn = useStore(textsStore, (state) => state.evaluation?.origin !== 'bundled')
  const hasBundled = useStore(modelStore, (state) => state.summary?.bundledTexts.some(({ id }) => id === 'evaluation') ?? false) && isOwn
  if (issues.length === 0) return null
  return (
    <ul className="qs-plan-issues" aria-label="Worth knowing before the run">
      {groupIssues(issues).map(({ issue, recipeIds }) => (
        <li key={`${recipeIds.join()}${issue.title}`} data-severity={issue.severity}>
          <Icon name={issue.severity === 'note' ? 'info' : 'warning'} />
          <span>
            <b>
              {recipeIds.length === 0 ? '' : `${recipeIds.join(', ')}: `}
              {issue.title}.
            </b>{' '}
            {recipeIds.length > 1 ? '' : `${issue.text} `}
            {issue.remedy}{' '}
            {hasBundled && issue.recipeId === null && issue.severity === 'error' ? (
              <button type="button" className="qs-link" onClick={takeBundledText}>
                Use the bundled text
              </button>
            ) : null}
          </span>
        </li>
      ))}
    </ul>
  )
}

/** What the run will cost, live; what does not fit is said before, with a remedy. */
export function PlanBar() {
  const { run } = useActions()
  const { plan, planFault, evaluation, protocol, inputs, contextLength, isMeasuring } = useStore(textsStore)
  const recipes = useStore(recipesStore, (state) => state.entries.length)
  const isBusy = useStore(runStore, isRunOn)
  const memoryLimit = useStore(modelStore, (state) => state.environment?.memoryLimitBytes ?? Number.POSITIVE_INFINITY)
  if (planFault !== null) return <FaultNote fault={planFault} />
  if (plan === null) return null
  const isRefused = plan.issues.some((issue) => issue.severity === 'error')
  const [time, where] = timeInWords(plan)
  const windows = protocol === 'windows' ? `windows of ${contextLength}` : `llama.cpp windows of ${contextLength}`
  return (
    <section className="qs-plan" aria-label="Plan of the run">
      <Fact value={bytes(plan.peakMemoryBytes)} isFault={plan.peakMemoryBytes > memoryLimit}>
        peak memory, at most
      </Fact>
      <Fact value={bytes(plan.storageBytes)} isFault={plan.storageBytes > plan.freeStorageBytes} optional="qs-plan-optional">
        of storage while it runs, {bytes(plan.freeStorageBytes)} free
      </Fact>
      <Fact value={time}>{where}</Fact>
      {isMeasuring ? (
        <Fact value={counted(plan.evaluationTokens, 'token')} optional="qs-plan-optional qs-plan-text">
          {evaluation?.name ?? 'no text'}, {windows}
          {inputs === 'llama.cpp' ? ', inputs as in llama.cpp' : ''}
        </Fact>
      ) : (
        <Fact value="No text" optional="qs-plan-optional qs-plan-text">
          files alone, nothing measured
        </Fact>
      )}
      <span className="qs-space" />
      <Button
        variant="filled"
        size="lg"
        leftSection={<Icon name="play" />}
        disabled={isRefused || isBusy || recipes === 0}
        onClick={() => void run()}
      >
        {isBusy ? 'A run is on' : `Run ${counted(recipes, 'recipe')}`}
      </Button>
      <Issues issues={plan.issues} />
    </section>
  )
}
