import type { ExportTarget } from './target.ts'

/** Every file format there is: the files of `targets/`, in name order. */
export const exportTargets: readonly ExportTarget[] = Object.values(
  import.meta.glob<ExportTarget>(['./targets/*.ts', '!./targets/*.test.ts'], { eager: true, import: 'default' }),
)
