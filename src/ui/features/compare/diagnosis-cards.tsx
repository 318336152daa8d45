import { Button } from '@mantine/core'
import { useMemo, useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { pinRecipe, recipesStore } from '../../../state/recipes-store.ts'
import { textsStore } from '../../../state/texts-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { Note } from '../../parts/note.tsx'
import { addEditedCopy } from './copies.ts'
import { type Diagnosis, diagnose, type Remedy } from './diagnosis.ts'
import type { CompareData } from './use-compare.ts'

export interface DiagnosisCardsProps {
  readonly found: readonly Diagnosis[]
  /** Points at a block in the layer charts. */
  readonly onShowBlock: (block: number) => void
}

/** What is worth saying about the run. */
export function useDiagnoses({ report, results, pins }: CompareData): readonly Diagnosis[] {
  const tensors = useStore(modelStore, (state) => state.summary?.tensors)
  return useMemo(() => diagnose({ report, results, a: pins.a, b: pins.b, tensors: tensors ?? [] }), [report, results, pins, tensors])
}

/** Cause, evidence and one remedy with its price. */
export function DiagnosisCards({ found, onShowBlock }: DiagnosisCardsProps) {
  return (
    <>
      {found.map(({ key, title, text, block, remedy }) => (
        <Note
          key={key}
          tone="warning"
          title={title}
          actions={
            remedy === null && block === null ? undefined : (
              <>
                {remedy !== null && (
                  <Button size="xs" variant="default" onClick={() => apply(remedy)}>
                    {remedy.label}
                  </Button>
                )}
                {block !== null && (
                  <Button size="xs" variant="subtle" onClick={() => onShowBlock(block)}>
                    Show in the chart
                  </Button>
                )}
              </>
            )
          }
        >
          {text}
        </Note>
      ))}
    </>
  )
}

/** Cards shown before "4 more" is asked for, the first of them beside the scatter. */
const shownAtFirst = 3

/** The cards after the first, in a row of their own. */
export function MoreDiagnoses({ found, onShowBlock }: DiagnosisCardsProps) {
  const [isOpen, setOpen] = useState(false)
  const rest = found.slice(1)
  if (rest.length === 0) return null
  const hidden = rest.length - (shownAtFirst - 1)
  return (
    <div className="qs-compare-more">
      <DiagnosisCards found={isOpen ? rest : rest.slice(0, shownAtFirst - 1)} onShowBlock={onShowBlock} />
      {hidden > 0 && (
        <Button size="xs" variant="subtle" onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Fewer' : `${hidden} more`}
        </Button>
      )}
    </div>
  )
}

function apply(remedy: Remedy): void {
  switch (remedy.kind) {
    case 'copy': {
      const id = addEditedCopy(remedy.recipe)
      notify(`${id} is on the shelf; ${remedy.recipe.id} stays as it is.`)
      location.hash = 'recipes'
      return
    }
    case 'pin': {
      // Pinning again under the same letter would let it go.
      if (recipesStore.getState().pins[remedy.pin] !== remedy.id) pinRecipe(remedy.pin, remedy.id)
      return
    }
    case 'calibrate': {
      textsStore.setState({ calibrationTokens: remedy.tokens })
      notify(`The next run calibrates on up to ${remedy.tokens.toLocaleString('en-US')} tokens, as far as the text goes.`)
      location.hash = 'recipes'
      return
    }
    case 'measure': {
      textsStore.setState({ maxTokens: remedy.tokens })
      notify(`The next run measures up to ${remedy.tokens.toLocaleString('en-US')} tokens, as far as the text goes.`)
      location.hash = 'recipes'
    }
  }
}
