import { createContext, type RefObject, useLayoutEffect } from 'react'

/** What changes with every move of the pointer. Charts draw once; only the small layers that read this are drawn again. */
export interface LineView {
  readonly hovered: string | null
  /** Block under the cursor. */
  readonly cursor: number | null
  readonly onHover: (id: string | null) => void
  readonly onCursor: (block: number | null) => void
  readonly onPin: ((id: string, pin: 'A' | 'B') => void) | null
}

const nothing = (): void => undefined

export const LineViewContext = createContext<LineView>({ hovered: null, cursor: null, onHover: nothing, onCursor: nothing, onPin: null })

export interface ScatterView {
  readonly hovered: string | null
  readonly budgetBytes: number | null
  readonly onBudget: (bytes: number | null) => void
  readonly onPoint: (id: string | null) => void
  readonly onPin: (id: string, pin: 'A' | 'B') => void
}

export const ScatterViewContext = createContext<ScatterView>({
  hovered: null,
  budgetBytes: null,
  onBudget: nothing,
  onPoint: nothing,
  onPin: nothing,
})

/**
 * Fades every mark with `data-series` other than that of `hovered`. Written to the elements: drawing eight lines anew for
 * each move of the pointer costs a quarter of a second.
 */
export function useFade(frame: RefObject<HTMLElement | null>, hovered: string | null): void {
  useLayoutEffect(() => {
    const fade = (): void => {
      for (const mark of frame.current?.querySelectorAll<SVGElement>('[data-series]') ?? []) {
        mark.style.opacity = hovered === null || mark.dataset['series'] === hovered ? '' : '0.18'
      }
    }
    fade()
    // recharts places its marks after it has measured itself, a frame later than the first drawing.
    const frameId = requestAnimationFrame(fade)
    return () => cancelAnimationFrame(frameId)
  })
}
