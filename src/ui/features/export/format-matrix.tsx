import { NativeSelect } from '@mantine/core'
import { useId } from 'react'
import { useStore } from 'zustand'
import type { RecipePlan } from '../../../pipeline/plan.ts'
import { type ExportChoice, exportsStore, isSameChoice, toggleExport } from '../../../state/exports-store.ts'
import { modelStore } from '../../../state/model-store.ts'
import { planOf, type Quantized } from '../../../state/results.ts'
import { runStore } from '../../../state/run-store.ts'
import { exactBytes, megabytes } from '../../format/numbers.ts'
import { useFormatTitle } from '../../frame/use-results.ts'
import { Card } from '../../parts/card.tsx'
import { Icon } from '../../parts/icon.tsx'
import { PinBadge, Why } from '../../parts/small-parts.tsx'
import { Marker } from '../../theme/recipe-style.tsx'
import { useDevice } from './device-picker.tsx'
import { FormatOptions } from './format-options.tsx'

interface CellProps extends ExportChoice {
  readonly title: string
  readonly plan: RecipePlan | null
  readonly whyId: string
}

const ask = (asked: ExportChoice | null): void => exportsStore.setState({ asked })

function Cell({ recipeId, targetId, title, plan, whyId }: CellProps) {
  const choice: ExportChoice = { recipeId, targetId }
  const isChosen = useStore(exportsStore, (state) => state.chosen.some((other) => isSameChoice(other, choice)))
  const isPossible = plan?.targets.find((target) => target.id === targetId)?.support === true
  return (
    <button
      type="button"
      role="checkbox"
      className="qs-box"
      aria-checked={isChosen}
      aria-label={`${recipeId} as ${title}${isPossible ? '' : ', not possible'}`}
      aria-disabled={isPossible ? undefined : true}
      aria-describedby={isPossible ? undefined : whyId}
      onFocus={() => ask(choice)}
      onPointerEnter={() => ask(choice)}
      onClick={() => {
        ask(choice)
        if (isPossible) toggleExport(choice)
      }}
    >
      {isPossible ? isChosen ? <Icon name="tick" /> : null : <Icon name="dash" />}
    </button>
  )
}

/** Why a cell is impossible and what to take instead, or what is worth knowing about a possible one. */
function Reason({
  results,
  plans,
  id,
}: {
  readonly results: readonly Quantized[]
  readonly plans: readonly RecipePlan[]
  readonly id: string
}) {
  const asked = useStore(exportsStore, (state) => state.asked)
  const targets = useStore(modelStore, (state) => state.catalogue?.targets ?? [])
  if (asked === null)
    return (
      <div className="qs-export-why" id={id}>
        <Why>A box is possible, a dash is not; point at it or focus it for the reason.</Why>
      </div>
    )
  const title = targets.find((target) => target.id === asked.targetId)?.title ?? asked.targetId
  const target = planOf(plans, asked.recipeId)?.targets.find((candidate) => candidate.id === asked.targetId)
  const explanation = targets.find((candidate) => candidate.id === asked.targetId)?.explanation ?? ''
  if (target === undefined || target.support === true)
    return (
      <div className="qs-export-why" id={id}>
        <Why>
          <b>
            {asked.recipeId} as {title}
            {target === undefined ? '' : `, ${exactBytes(target.bytes)}`}.
          </b>{' '}
          {explanation} {target?.notes.join(' ') ?? ''}
        </Why>
      </div>
    )
  const bitsOf = (recipeId: string): number => planOf(plans, recipeId)?.bitsPerWeight ?? 0
  const nearest = results
    .map((result) => result.recipe.id)
    .filter((recipeId) =>
      planOf(plans, recipeId)?.targets.some((candidate) => candidate.id === asked.targetId && candidate.support === true),
    )
    .toSorted((one, other) => Math.abs(bitsOf(one) - bitsOf(asked.recipeId)) - Math.abs(bitsOf(other) - bitsOf(asked.recipeId)))[0]
  return (
    <div className="qs-export-why" id={id}>
      <Why>
        <b>
          {asked.recipeId} as {title} is not possible.
        </b>{' '}
        {target.support}{' '}
        {nearest === undefined ? null : (
          <button
            type="button"
            className="qs-link"
            onClick={() => {
              const choice = { recipeId: nearest, targetId: asked.targetId }
              if (!exportsStore.getState().chosen.some((other) => isSameChoice(other, choice))) toggleExport(choice)
            }}
          >
            Use {nearest} instead
          </button>
        )}
      </Why>
    </div>
  )
}

const splits = [
  { value: '', label: 'never' },
  { value: '500000000', label: '500 MB' },
  { value: '2000000000', label: '2 GB' },
  { value: '4000000000', label: '4 GB' },
]

/** For file systems and mail that stop at a size. */
function SplitChoice() {
  const maxFileBytes = useStore(exportsStore, (state) => state.options.maxFileBytes)
  return (
    <div className="qs-file-split">
      <NativeSelect
        size="xs"
        label="Split files of weights above"
        value={maxFileBytes === null ? '' : String(maxFileBytes)}
        onChange={({ currentTarget: { value } }) =>
          exportsStore.setState(({ options }) => ({ options: { ...options, maxFileBytes: value === '' ? null : Number(value) } }))
        }
        data={splits}
      />
    </div>
  )
}

/** Recipes by formats: a box where a format can hold the recipe, a dash with its reason where it cannot. */
export function FormatMatrix({ results, pinned }: { readonly results: readonly Quantized[]; readonly pinned: string | null }) {
  const all = useStore(modelStore, (state) => state.catalogue?.targets ?? [])
  const device = useDevice()
  // The device's own formats first, in its order.
  const place = (id: string): number => (device?.targets.includes(id) === true ? device.targets.indexOf(id) : all.length)
  const targets = all.toSorted((one, other) => place(one.id) - place(other.id))
  const own = targets.filter(({ id }) => device?.targets.includes(id) === true)
  const subtitle =
    device === null
      ? 'Several can be written in one go.'
      : `For this device: ${own.map(({ title }) => title).join(', ')}. Other formats can be added to the same download.`
  const plans = useStore(runStore, (state) => state.plan?.recipes) ?? []
  const titleOf = useFormatTitle()
  const whyId = useId()
  return (
    <Card title="Recipe and format" subtitle={subtitle} isFlush>
      <div className="qs-scroll-x" style={{ marginTop: 8 }}>
        <table className="qs-export">
          <thead>
            <tr>
              <th scope="col">Recipe</th>
              <th scope="col">MB</th>
              {targets.map((target) => (
                <th key={target.id} scope="col" title={target.explanation} data-own={own.includes(target) ? true : undefined}>
                  {target.title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {results.map(({ recipe, slot, report }) => (
              <tr key={recipe.id}>
                <th scope="row">
                  <span>
                    <Marker slot={slot} />
                    <span className="qs-mono">{recipe.id}</span>
                    {pinned === recipe.id ? <PinBadge pin="a" /> : null}
                  </span>
                </th>
                <td title={`${exactBytes(report.bytes)} as ${titleOf(report.bytesOf)}`}>{megabytes(report.bytes)}</td>
                {targets.map((target) => (
                  <td key={target.id}>
                    <Cell recipeId={recipe.id} targetId={target.id} title={target.title} plan={planOf(plans, recipe.id)} whyId={whyId} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Reason results={results} plans={plans} id={whyId} />
      <FormatOptions plans={plans} />
      <SplitChoice />
    </Card>
  )
}
