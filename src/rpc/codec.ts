import { type TransferHandler, transferHandlers } from 'comlink'
import { type ErrorCode, isAbort, StudioError } from '../core/errors.ts'

/**
 * comlink carries neither an error's own fields nor abort signals from thread to thread (comlink issue 615); these handlers
 * do. Both sides call `installCodec` before anything else.
 */
export function installCodec(): void {
  const original = transferHandlers.get('throw') as TransferHandler<ThrownValue, unknown> | undefined
  if (original !== undefined && !isInstalled) transferHandlers.set('throw', thrownHandler(original))
  transferHandlers.set('abort-signal', abortSignalHandler)
  isInstalled = true
}

let isInstalled = false

/** What comlink wraps a thrown value in. */
interface ThrownValue {
  readonly value: unknown
}

interface ErrorFields {
  readonly code: ErrorCode
  readonly title: string
  readonly message: string
  readonly remedy: string
  readonly details: StudioError['details']
  readonly stack: string | undefined
}

function thrownHandler(original: TransferHandler<ThrownValue, unknown>): TransferHandler<ThrownValue, ErrorFields> {
  return {
    canHandle: (value): value is ThrownValue => original.canHandle(value),
    serialize: ({ value }) => [fieldsOf(value), []],
    deserialize: (fields) => {
      throw errorFrom(fields)
    },
  }
}

/** Every fault crosses as a `StudioError`; what was not expected is `internal`, with its own words in the details. */
export function fieldsOf(value: unknown): ErrorFields {
  if (value instanceof StudioError) {
    const { code, title, message, remedy, details, stack } = value
    return { code, title, message, remedy, details, stack }
  }
  if (isAbort(value)) {
    return {
      code: 'aborted',
      title: 'Stopped',
      message: 'The operation was stopped.',
      remedy: 'What is finished is kept; start again to go on.',
      details: {},
      stack: undefined,
    }
  }
  const error = value instanceof Error ? value : new Error(String(value))
  return {
    code: 'internal',
    title: 'Something in the studio itself failed',
    message: `${error.name}: ${error.message}`,
    remedy: 'Copy the details into a report; reloading the page keeps what is stored.',
    details: { error: error.name },
    stack: error.stack,
  }
}

export function errorFrom({ code, title, message, remedy, details, stack }: ErrorFields): StudioError {
  const error = new StudioError(code, { title, message, remedy, details })
  if (stack !== undefined) error.stack = stack
  return error
}

/** Ports of signals that came from another thread; `releaseSignal` closes them. */
const portOf = new WeakMap<AbortSignal, MessagePort>()

interface SignalMessage {
  readonly isAborted: boolean
  readonly port: MessagePort
}

const abortSignalHandler: TransferHandler<AbortSignal, SignalMessage> = {
  canHandle: (value): value is AbortSignal => value instanceof AbortSignal,
  serialize(signal) {
    const { port1, port2 } = new MessageChannel()
    const forward = (): void => port1.postMessage('abort')
    signal.addEventListener('abort', forward, { once: true })
    // The other side answers when it needs the signal no longer.
    port1.onmessage = () => {
      signal.removeEventListener('abort', forward)
      port1.close()
    }
    return [{ isAborted: signal.aborted, port: port2 }, [port2]]
  },
  deserialize({ isAborted, port }) {
    const controller = new AbortController()
    if (isAborted) controller.abort()
    port.onmessage = () => controller.abort()
    portOf.set(controller.signal, port)
    return controller.signal
  },
}

/** Lets go of a signal that came from another thread. */
export function releaseSignal(signal: AbortSignal): void {
  const port = portOf.get(signal)
  if (port === undefined) return
  portOf.delete(signal)
  port.postMessage('released')
  port.close()
}
