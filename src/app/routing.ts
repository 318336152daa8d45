import { type Step, steps, uiStore } from '../state/ui-store.ts'

/** `#compare`, `#compare?sort=kl&order=down`: a step, and what a chart or table keeps in the address. */
export function stepOf(hash: string): Step | null {
  const name = hash.replace(/^#/, '').split('?')[0]
  return steps.find((step) => step === name) ?? null
}

/** Recipes in a link: `#recipes=…`. */
export const recipeFragmentOf = (hash: string): string | null => (/^#recipes=./.test(hash) ? hash.slice(1) : null)

export function goTo(step: Step): void {
  if (stepOf(location.hash) === step) return
  location.hash = step
}

/** Follows the address. Returns a function that ends it. */
export function startRouting(): () => void {
  const follow = (): void => {
    const step = stepOf(location.hash)
    if (step !== null) uiStore.setState({ step })
  }
  follow()
  addEventListener('hashchange', follow)
  return () => removeEventListener('hashchange', follow)
}
