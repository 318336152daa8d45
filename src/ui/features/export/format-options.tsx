import { useStore } from 'zustand'
import type { TargetOption } from '../../../export/options.ts'
import type { RecipePlan } from '../../../pipeline/plan.ts'
import type { CatalogueTarget } from '../../../rpc/contract.ts'
import { chooseFormatOption, type ExportChoice, exportsStore, optionsOf } from '../../../state/exports-store.ts'
import { modelStore } from '../../../state/model-store.ts'
import { planOf } from '../../../state/results.ts'
import { bytes } from '../../format/numbers.ts'
import { Options } from '../../parts/options.tsx'
import { Why } from '../../parts/small-parts.tsx'

interface FormatOptionProps {
  readonly choice: ExportChoice
  readonly target: CatalogueTarget
  readonly option: TargetOption
  readonly plan: RecipePlan | null
}

function FormatOption({ choice, target, option, plan }: FormatOptionProps) {
  const value = useStore(exportsStore, (state) => optionsOf(state, choice).chosen?.[option.id] ?? option.values[0])
  const planned = plan?.targets.find(({ id }) => id === target.id)?.options.find(({ id }) => id === option.id)?.values ?? []
  const name = `${choice.recipeId} as ${target.title}`
  return (
    <div className="qs-format-option">
      <p>
        <b>{name}.</b> {option.label}:
      </p>
      <Options
        label={`${name}: ${option.label}`}
        value={value}
        options={option.values.map((candidate) => {
          const { support = true, bytes: size = 0 } = planned.find((one) => one.value === candidate) ?? {}
          if (support !== true) return { value: candidate, label: candidate, reason: support }
          return { value: candidate, label: size === 0 ? candidate : `${candidate}, ${bytes(size)}` }
        })}
        onChange={(next) => chooseFormatOption(choice, option, next)}
      />
      <Why>{option.explanation}</Why>
    </div>
  )
}

/** What the formats of the ticked boxes let a person choose, drawn from the catalogue: the page knows no format by name. */
export function FormatOptions({ plans }: { readonly plans: readonly RecipePlan[] }) {
  const chosen = useStore(exportsStore, (state) => state.chosen)
  const targets = useStore(modelStore, (state) => state.catalogue?.targets ?? [])
  return chosen.flatMap((choice) =>
    targets
      .filter(({ id }) => id === choice.targetId)
      .flatMap((target) =>
        target.options.map((option) => (
          <FormatOption
            key={`${choice.recipeId}:${target.id}:${option.id}`}
            choice={choice}
            target={target}
            option={option}
            plan={planOf(plans, choice.recipeId)}
          />
        )),
      ),
  )
}
