import { type KeyboardEvent, useId, useRef, useState } from 'react'
import { Why } from './small-parts.tsx'

export interface Option {
  readonly value: string
  readonly label: string
  /** What it is, on hover. */
  readonly hint?: string
  /** Why it cannot be taken; it stays visible and focusable. */
  readonly reason?: string
}

export interface OptionsProps {
  readonly label: string
  readonly options: readonly Option[]
  readonly value: string
  readonly onChange: (value: string) => void
}

/**
 * A radio group of buttons: one tab stop, arrows move. Refused choices can be focused, are not taken, and show why.
 * Movement and choice are apart, so that a person can read a refused one without changing the recipe.
 */
export function Options({ label, options, value, onChange }: OptionsProps) {
  const [asked, setAsked] = useState<string | null>(null)
  const group = useRef<HTMLDivElement>(null)
  const whyId = useId()
  const reasonOf = (option: string | null): string | undefined => options.find((candidate) => candidate.value === option)?.reason
  const reason = reasonOf(asked)
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = ['ArrowRight', 'ArrowDown'].includes(event.key) ? 1 : ['ArrowLeft', 'ArrowUp'].includes(event.key) ? -1 : 0
    if (by === 0) return
    event.preventDefault()
    const buttons = [...(group.current?.querySelectorAll<HTMLElement>('[role="radio"]') ?? [])]
    const next = (buttons.indexOf(document.activeElement as HTMLElement) + by + buttons.length) % buttons.length
    buttons[next]?.focus()
    const option = options[next]
    if (option !== undefined && option.reason === undefined && option.value !== value) onChange(option.value)
  }
  const hasValue = options.some((option) => option.value === value)
  return (
    <>
      <div ref={group} className="qs-options" role="radiogroup" aria-label={label} onKeyDown={onKeyDown}>
        {options.map((option, index) => (
          <button
            key={option.value}
            type="button"
            role="radio"
            className="qs-option"
            title={option.hint}
            aria-checked={option.value === value}
            aria-disabled={option.reason === undefined ? undefined : true}
            aria-describedby={option.reason === undefined ? undefined : whyId}
            tabIndex={option.value === value || (!hasValue && index === 0) ? 0 : -1}
            onFocus={() => setAsked(option.value)}
            onPointerEnter={() => setAsked(option.value)}
            onClick={() => {
              if (option.reason === undefined) onChange(option.value)
            }}
          >
            {option.label}
          </button>
        ))}
      </div>
      {reason === undefined ? null : <Why id={whyId}>{reason}</Why>}
    </>
  )
}
