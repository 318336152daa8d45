import { StudioError } from '../core/errors.ts'

/** The `StudioError` that some work ends in; the test fails when it ends otherwise. */
export async function faultOf(work: () => Promise<unknown>): Promise<StudioError> {
  const outcome: unknown = await work().then(
    () => null,
    (error: unknown) => error,
  )
  if (outcome instanceof StudioError) return outcome
  throw new Error(`expected a StudioError, got ${String(outcome)}`, { cause: outcome })
}
