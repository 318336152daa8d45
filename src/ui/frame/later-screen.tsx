import { type ComponentType, lazy, useState } from 'react'

/**
 * A screen of its own file, and the function that fetches it. One that is there already is drawn at once: a lazy component is
 * drawn as nothing first, and React leaves it so for 300 ms.
 */
export function laterScreen(load: () => Promise<ComponentType>): {
  readonly Screen: ComponentType
  readonly fetch: () => Promise<unknown>
} {
  let fetched: ComponentType | null = null
  const fetch = async () => {
    fetched ??= await load()
    return { default: fetched }
  }
  const Lazy = lazy(fetch)
  function Screen() {
    // The same one for as long as it is on the page, or it would lose its state.
    const [Shown] = useState(() => fetched ?? Lazy)
    return <Shown />
  }
  return { Screen, fetch }
}
