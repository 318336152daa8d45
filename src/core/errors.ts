/**
 * Faults of the studio. An expected refusal is data (`Support`, `PlanIssue`); a fault is a `StudioError`.
 * Texts follow one order: what happened and where, what is safe, what to do.
 */
export type ErrorCode =
  | 'file-missing'
  | 'file-damaged'
  | 'unsupported-architecture'
  | 'unsupported-dtype'
  | 'config-invalid'
  | 'config-contradicts-tensors'
  | 'tokenizer-invalid'
  | 'weights-not-finite'
  | 'text-too-short'
  | 'recipe-invalid'
  | 'hub-not-found'
  | 'hub-forbidden'
  | 'hub-busy'
  | 'hub-unreachable'
  | 'storage-full'
  | 'storage-fault'
  | 'worker-lost'
  | 'device-lost'
  | 'engine-failed'
  | 'export-refused'
  | 'proof-failed'
  | 'aborted'
  | 'usage'
  | 'internal'

export interface ErrorFacts {
  /** Title of the state on the page: a short claim without a full stop. */
  readonly title: string
  /** What happened, where (file, tensor, offset), in one or two sentences. */
  readonly message: string
  /** What the person can do now, in one sentence. */
  readonly remedy: string
  /** Plain figures and names for "Copy details"; never tensor bytes, never a token. */
  readonly details?: Readonly<Record<string, string | number | boolean>>
}

export class StudioError extends Error {
  readonly code: ErrorCode
  readonly title: string
  readonly remedy: string
  readonly details: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, facts: ErrorFacts, options?: { cause?: unknown }) {
    super(facts.message, options)
    this.name = 'StudioError'
    this.code = code
    this.title = facts.title
    this.remedy = facts.remedy
    this.details = facts.details ?? {}
  }
}

/** The error an aborted operation throws; finished work stays. */
export function abortError(): StudioError {
  return new StudioError('aborted', {
    title: 'Stopped',
    message: 'The operation was stopped.',
    remedy: 'What is finished is kept; start again to go on.',
  })
}

export function isAbort(error: unknown): boolean {
  return (error instanceof StudioError && error.code === 'aborted') || (error instanceof Error && error.name === 'AbortError')
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError()
}
