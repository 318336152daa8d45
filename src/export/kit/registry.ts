import type { Guide } from './guide.ts'

const guides: readonly Guide[] = Object.values(import.meta.glob<Guide>('./guides/*.ts', { eager: true, import: 'default' }))

/** `null` for a format without a guide: its README then has the facts alone. */
export function guideFor(targetId: string): Guide | null {
  return guides.find(({ targets }) => targets.includes(targetId)) ?? null
}
