import type { ReactNode } from 'react'
import { useId } from 'react'
import type { Support } from '../../../core/support.ts'
import type { AxisChoice } from '../../../quantization/recipe.ts'
import type { AxisMember } from '../../../rpc/contract.ts'
import { Options } from '../../parts/options.tsx'
import { Why } from '../../parts/small-parts.tsx'

/** A member's settings at their defaults. */
export const defaultChoice = (member: AxisMember): AxisChoice => ({
  kind: member.kind,
  ...Object.fromEntries(member.fields.map((field) => [field.key, field.default])),
})

export interface AxisFieldsProps {
  readonly member: AxisMember
  readonly choice: AxisChoice
  readonly onChange: (choice: AxisChoice) => void
}

/** The settings of a choice, drawn from the catalogue: the page knows no grid by name. */
export function AxisFields({ member, choice, onChange }: AxisFieldsProps) {
  const id = useId()
  if (member.fields.length === 0) return null
  return (
    <div className="qs-fields">
      {member.fields.map((field) => {
        const current = choice[field.key] ?? field.default
        const index = field.options.findIndex((option) => option.value === current)
        return (
          <span key={field.key} className="qs-field">
            <label htmlFor={`${id}-${field.key}`}>{field.label}</label>
            <select
              id={`${id}-${field.key}`}
              value={index}
              onChange={({ currentTarget }) => {
                const option = field.options[Number(currentTarget.value)]
                if (option !== undefined) onChange({ ...choice, [field.key]: option.value })
              }}
            >
              {index === -1 ? <option value={-1}>{JSON.stringify(current)}</option> : null}
              {field.options.map((option, position) => (
                <option key={String(option.value)} value={position}>
                  {option.label}
                </option>
              ))}
            </select>
          </span>
        )
      })}
    </div>
  )
}

export interface AxisRowProps {
  readonly title: string
  readonly question: string
  readonly members: readonly AxisMember[]
  readonly choice: AxisChoice
  /** Members by kind that the rest of the recipe allows, or why not; `null` until known. */
  readonly supports: Readonly<Record<string, Support>> | null
  readonly onChange: (choice: AxisChoice) => void
  readonly children?: ReactNode
  /** Beside the explanation. */
  readonly aside?: ReactNode
}

/** One of the four rows of a recipe: what is asked, the choices, the settings of the one taken, and what it means. */
export function AxisRow({ title, question, members, choice, supports, onChange, children, aside }: AxisRowProps) {
  const id = useId()
  const member = members.find((candidate) => candidate.kind === choice.kind)
  const explanation = member === undefined ? null : <Why>{member.explanation}</Why>
  return (
    <section className="qs-axis" aria-labelledby={id}>
      <div>
        <h3 id={id}>{title}</h3>
        <p>{question}</p>
      </div>
      <div>
        <Options
          label={title}
          value={choice.kind}
          options={members.map(({ kind, title: label, explanation: hint }) => {
            const support = supports?.[kind] ?? true
            return { value: kind, label, hint, ...(support === true ? {} : { reason: support }) }
          })}
          onChange={(kind) => {
            const next = members.find((candidate) => candidate.kind === kind)
            if (next !== undefined) onChange(defaultChoice(next))
          }}
        />
        {member === undefined ? null : <AxisFields member={member} choice={choice} onChange={onChange} />}
        {aside === undefined ? (
          explanation
        ) : (
          <div className="qs-grid-shown">
            {explanation}
            {aside}
          </div>
        )}
        {children}
      </div>
    </section>
  )
}
