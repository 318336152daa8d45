import { useEffect } from 'react'
import { duplicateRecipe, pinRecipe, recipesStore, swapPins, toggleHidden } from '../../state/recipes-store.ts'
import { runStore } from '../../state/run-store.ts'
import { steps, uiStore } from '../../state/ui-store.ts'
import { type StudioActions, useActions } from '../actions.ts'
import { useResults } from './use-results.ts'

type Pins = ReturnType<typeof useResults>['pins']

const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))

/** Moves the focus along the chips of the shelf. */
function moveAlongShelf(by: number): void {
  const chips = [...document.querySelectorAll<HTMLElement>('.qs-shelf [data-recipe]')]
  const now = chips.findIndex((chip) => chip === document.activeElement)
  const next = now === -1 ? (by > 0 ? 0 : chips.length - 1) : (now + by + chips.length) % chips.length
  chips[next]?.focus()
}

/** The recipe that single keys act on: the focused chip, else the one in the editor. */
function focusedRecipe(): string | null {
  const chip = document.activeElement?.closest<HTMLElement>('[data-recipe]')
  return chip?.dataset['recipe'] ?? recipesStore.getState().current
}

function press(key: string, { toggleTheme, pins }: { readonly toggleTheme: () => void; readonly pins: Pins }): boolean {
  const step = steps[Number(key) - 1]
  if (step !== undefined) {
    location.hash = step
    return true
  }
  const recipe = focusedRecipe()
  const hasResults = runStore.getState().report !== null
  switch (key.toLowerCase()) {
    case '[':
      moveAlongShelf(-1)
      return true
    case ']':
      moveAlongShelf(1)
      return true
    case 'a':
    case 'b':
      if (recipe === null || !hasResults) return false
      pinRecipe(key.toLowerCase() === 'a' ? 'a' : 'b', recipe)
      return true
    case 'x':
      if (!hasResults) return false
      swapPins({ a: pins.a?.recipe.id ?? null, b: pins.b?.recipe.id ?? null })
      return true
    case 'h':
      if (recipe !== null) toggleHidden(recipe)
      return recipe !== null
    case 'd':
      if (recipe !== null) duplicateRecipe(recipe)
      return recipe !== null
    case '/': {
      const filter = document.querySelector<HTMLElement>('[data-filter]')
      filter?.focus()
      return filter !== null
    }
    case 't':
      toggleTheme()
      return true
    case '?':
      uiStore.setState({ sheet: 'keys' })
      return true
    default:
      return false
  }
}

function runOrStop(actions: StudioActions): void {
  const { status } = runStore.getState()
  if (status === 'running') actions.stop()
  else if (status !== 'stopping') void actions.run()
}

/** Shortcuts of the whole page. Single keys are off in fields, in dialogs and when switched off in Settings. */
export function useKeyboard(toggleTheme: () => void): void {
  const actions = useActions()
  const { pins } = useResults()
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.altKey || document.querySelector('[aria-modal="true"]') !== null) return
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault()
        runOrStop(actions)
        return
      }
      if (event.ctrlKey || event.metaKey || isField(event.target) || !uiStore.getState().areKeysOn) return
      // Charts have arrow keys, letters and Enter of their own (application role).
      if (event.target instanceof Element && event.target.closest('[role="application"]') !== null && !/^[1-6?]$/.test(event.key)) return
      if (press(event.key, { toggleTheme, pins })) event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [actions, pins, toggleTheme])
}
