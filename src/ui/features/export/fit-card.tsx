import { NativeSelect } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import type { Device } from '../../../devices/device.ts'
import { type Fit, fastestTold, fitOf, modelSizeOf } from '../../../devices/fit.ts'
import type { ModelSummary } from '../../../rpc/contract.ts'
import { exportsStore } from '../../../state/exports-store.ts'
import { modelStore } from '../../../state/model-store.ts'
import { planOf } from '../../../state/results.ts'
import { runStore } from '../../../state/run-store.ts'
import { bytes, count, percent, significant } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'

const contexts = [256, 512, 1024, 2048, 4096, 8192, 32_768]

const titles: Readonly<Record<Fit['verdict'], string>> = {
  fits: 'It fits, with room',
  tight: 'It fits, just',
  'too-large': 'It does not fit',
}

/** Bytes of the export looked at: the chosen one of the recipe, else the format that the device usually takes. */
function useWeightBytes(recipeId: string, device: Device): number | null {
  const chosen = useStore(exportsStore, (state) => state.chosen)
  const plan = planOf(useStore(runStore, (state) => state.plan?.recipes) ?? [], recipeId)
  const wanted = [...chosen.filter((choice) => choice.recipeId === recipeId).map(({ targetId }) => targetId), ...device.targets]
  return (
    wanted
      .map((id) => plan?.targets.find((target) => target.id === id && target.support === true)?.bytes)
      .find((size) => size !== undefined) ?? null
  )
}

function FitBody({ device, recipeId, summary }: { readonly device: Device; readonly recipeId: string; readonly summary: ModelSummary }) {
  const weightBytes = useWeightBytes(recipeId, device)
  const { config, parameters } = summary
  const choices = contexts.filter((length) => length <= config.maxPositions)
  const [wanted, setWanted] = useState(2048)
  const context = choices.findLast((length) => length <= wanted) ?? config.maxPositions
  if (weightBytes === null)
    return (
      <p className="qs-muted">
        No format of {device.label} holds {recipeId}. Choose a recipe with a box under a marked format.
      </p>
    )
  const fit = fitOf(device, modelSizeOf(config, { weightBytes, parameters }), context)
  const share = (part: number): string => percent(Math.min(1, part / device.usableBytes))
  return (
    <>
      <div className="qs-fit-bar" data-verdict={fit.verdict} role="img" aria-label={`${share(fit.totalBytes)} of what is usable`}>
        <span style={{ width: share(fit.weightBytes) }} />
        <span style={{ width: share(fit.cacheBytes) }} />
        <span style={{ width: share(fit.workBytes) }} />
      </div>
      <dl className="qs-fit-facts">
        <dt>{titles[fit.verdict]}</dt>
        <dd>
          {bytes(fit.totalBytes)} of {bytes(device.usableBytes)}
        </dd>
        <dt>Weights, cache, work space</dt>
        <dd>
          {bytes(fit.weightBytes)} + {bytes(fit.cacheBytes)} + {bytes(fit.workBytes)}
        </dd>
        <dt>Speed, {device.isDerived ? 'derived from similar devices' : 'from memory bandwidth'}</dt>
        <dd>{speedText(fit)}</dd>
        <dt>Tokens of context</dt>
        <dd>
          <NativeSelect
            size="xs"
            aria-label="Tokens of context"
            value={String(context)}
            onChange={(event) => setWanted(Number(event.currentTarget.value))}
            data={(choices.length > 0 ? choices : [config.maxPositions]).map((length) => ({ value: String(length), label: count(length) }))}
          />
        </dd>
      </dl>
      {device.notes.slice(0, 2).map((note) => (
        <p key={note} className="qs-small qs-muted">
          {note}
        </p>
      ))}
    </>
  )
}

function speedText({ tokensPerSecond }: Fit): string {
  if (tokensPerSecond === null) return 'storage speed: seconds to minutes a token'
  const [low, high] = tokensPerSecond
  if (low > fastestTold) return `more than ${count(fastestTold)} tokens/s`
  return `${significant(low, 2)} to ${significant(high, 2)} tokens/s`
}

/** Whether a recipe's file fits the chosen device, and how fast it will be: said before the download. */
export function FitCard({ device, recipeId }: { readonly device: Device; readonly recipeId: string }) {
  const summary = useStore(modelStore, (state) => state.summary)
  if (summary === null) return null
  return (
    <Card title={device.label} subtitle={`${recipeId}, one conversation at a time`}>
      <FitBody device={device} recipeId={recipeId} summary={summary} />
    </Card>
  )
}
