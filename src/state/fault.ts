import type { ErrorCode } from '../core/errors.ts'
import { StudioError } from '../core/errors.ts'

/** A fault as plain data, so that stores and tests can hold and compare it. */
export interface Fault {
  readonly code: ErrorCode
  readonly title: string
  readonly message: string
  readonly remedy: string
  readonly details: Readonly<Record<string, string | number | boolean>>
}

/** Anything thrown, as something the page can show. Unknown errors keep their message as a detail. */
export function faultOf(error: unknown): Fault {
  if (error instanceof StudioError)
    return { code: error.code, title: error.title, message: error.message, remedy: error.remedy, details: error.details }
  const text = error instanceof Error ? error.message : String(error)
  return {
    code: 'internal',
    title: 'The studio met a fault of its own',
    message: `What was open and what is finished are safe. The browser said: ${text}`,
    remedy: 'Try again; reload the page if it happens a second time.',
    details: { message: text },
  }
}

/** Text for "Copy details". */
export function faultDetails(fault: Fault): string {
  const lines = Object.entries(fault.details).map(([key, value]) => `${key}: ${String(value)}`)
  return [fault.title, fault.message, fault.remedy, `code: ${fault.code}`, ...lines].join('\n')
}
