import type { TestDriveRuntime } from './runtime.ts'

/** Every runtime there is: the files of `runtimes/`, in name order. */
export const runtimes: readonly TestDriveRuntime[] = Object.values(
  import.meta.glob<TestDriveRuntime>(['./runtimes/*.ts', '!./runtimes/*.test.ts'], { eager: true, import: 'default' }),
)
