import type { Domain } from './axis.ts'

/** Where the budget line stands after a key; `undefined` for other keys. A budget past the right end is none. */
export function budgetAfterKey(key: string, budgetBytes: number | null, domain: Domain): number | null | undefined {
  const from = budgetBytes ?? domain[1]
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return clampBudget(from * 0.99, domain)
    case 'ArrowRight':
    case 'ArrowUp':
      return clampBudget(from * 1.01, domain)
    case 'PageDown':
      return clampBudget(from * 0.9, domain)
    case 'PageUp':
      return clampBudget(from * 1.1, domain)
    case 'Home':
      return domain[0]
    case 'End':
    case 'Delete':
    case 'Backspace':
      return null
    default:
      return undefined
  }
}

export function clampBudget(bytes: number, domain: Domain): number | null {
  if (bytes >= domain[1] - (domain[1] - domain[0]) * 0.004) return null
  return Math.round(Math.max(domain[0], bytes))
}
