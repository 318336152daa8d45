import { ActionIcon, Button, TextInput } from '@mantine/core'
import { useMemo, useState } from 'react'
import { useStore } from 'zustand'
import type { AxisChoice, TensorOverride } from '../../../quantization/recipe.ts'
import type { AxisMember } from '../../../rpc/contract.ts'
import { modelStore } from '../../../state/model-store.ts'
import { counted } from '../../format/numbers.ts'
import { Icon } from '../../parts/icon.tsx'
import { AxisFields, defaultChoice } from './axis-row.tsx'
import { hits } from './matching.ts'

export interface OverridesProps {
  readonly overrides: readonly TensorOverride[]
  readonly grids: readonly AxisMember[]
  /** Grid of the recipe: where an override begins. */
  readonly grid: AxisChoice
  readonly onChange: (overrides: readonly TensorOverride[]) => void
}

interface LineProps extends OverridesProps {
  readonly index: number
  readonly override: TensorOverride
  readonly names: readonly string[]
}

function OverrideLine({ overrides, grids, onChange, index, override, names }: LineProps) {
  // What is typed becomes the recipe's on Enter or when the field is left: half a name is not a recipe.
  const [draft, setDraft] = useState<string | null>(null)
  const match = draft ?? override.match
  const earlier = overrides.slice(0, index).map((other) => other.match)
  const found = hits(match, earlier, names)
  const put = (next: TensorOverride): void => onChange(overrides.map((other, place) => (place === index ? next : other)))
  const keep = (): void => {
    if (draft !== null && draft.trim() !== '' && draft !== override.match) put({ ...override, match: draft.trim() })
    setDraft(null)
  }
  const { grid } = override
  const member = grid === 'float' ? undefined : grids.find((candidate) => candidate.kind === grid.kind)
  return (
    <div className="qs-override">
      <TextInput
        aria-label={`Override ${index + 1}, tensors`}
        value={match}
        spellCheck={false}
        onChange={({ currentTarget }) => setDraft(currentTarget.value)}
        onBlur={keep}
        onKeyDown={(event) => {
          if (event.key === 'Enter') keep()
        }}
      />
      <span className="qs-small qs-muted" data-none={found.length === 0 ? true : undefined} title={found.slice(0, 12).join('\n')}>
        hits {counted(found.length, 'tensor')}
      </span>
      <label className="qs-field">
        becomes
        <select
          value={grid === 'float' ? 'float' : grid.kind}
          onChange={({ currentTarget: { value } }) => {
            const next = grids.find((candidate) => candidate.kind === value)
            put({ ...override, grid: next === undefined ? 'float' : defaultChoice(next) })
          }}
        >
          <option value="float">kept as it is</option>
          {grids.map((candidate) => (
            <option key={candidate.kind} value={candidate.kind}>
              {candidate.title}
            </option>
          ))}
        </select>
      </label>
      <ActionIcon
        size="xs"
        aria-label={`Remove override ${index + 1}`}
        onClick={() => onChange(overrides.filter((_, place) => place !== index))}
      >
        <Icon name="cross" />
      </ActionIcon>
      {member === undefined || grid === 'float' ? null : (
        <AxisFields member={member} choice={grid} onChange={(choice) => put({ ...override, grid: choice })} />
      )}
    </div>
  )
}

/** Overrides by tensor name; each shows how many tensors it reaches. */
export function Overrides(props: OverridesProps) {
  const summary = useStore(modelStore, (state) => state.summary)
  const names = useMemo(() => summary?.tensors.filter((tensor) => tensor.isQuantizable).map((tensor) => tensor.name) ?? [], [summary])
  const { overrides, onChange, grid } = props
  return (
    <div style={{ marginTop: 8 }}>
      {overrides.map((override, index) => (
        // Overrides have no identity but their place.
        <OverrideLine key={`${index}`} {...props} index={index} override={override} names={names} />
      ))}
      <Button
        size="xs"
        variant="subtle"
        leftSection={<Icon name="plus" />}
        style={{ marginTop: overrides.length > 0 ? 8 : 0 }}
        onClick={() => onChange([...overrides, { match: '*.down_proj.weight', grid }])}
      >
        Tensor override
      </Button>
    </div>
  )
}
