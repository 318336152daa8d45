import { type Endpoint, expose, releaseProxy } from 'comlink'
import type { TestDriveService } from '../testdrive/contract.ts'
import { installCodec, releaseSignal } from './codec.ts'
import type { StudioService } from './contract.ts'

type Method = (...args: readonly unknown[]) => Promise<unknown>
type RemoteCallback = ((value: unknown) => Promise<unknown>) & { readonly [releaseProxy]: () => void }

/**
 * Serves the studio to the page. A call settles only after the page has taken every callback of it, so callbacks come in
 * order and never after the result; then their ports and the signal's are closed.
 */
export function serveStudio(service: StudioService, endpoint: Endpoint): void {
  serve(service, endpoint)
}

/** The same for test drives. */
export function serveTestDrive(service: TestDriveService, endpoint: Endpoint): void {
  serve(service, endpoint)
}

function serve(service: object, endpoint: Endpoint): void {
  installCodec()
  const methods = service as Readonly<Record<string, Method>>
  const served = Object.fromEntries(Object.keys(methods).map((name) => [name, withLifetimes((...args) => callMethod(methods, name, args))]))
  expose(served, endpoint)
}

function callMethod(methods: Readonly<Record<string, Method>>, name: string, args: readonly unknown[]): Promise<unknown> {
  const method = methods[name]
  if (method === undefined) throw new RangeError(`the studio has no "${name}"`)
  return method(...args)
}

function withLifetimes(method: Method): Method {
  return async (...args) => {
    const callbacks = args.filter(isCallback)
    let delivered: Promise<unknown> = Promise.resolve()
    const local = args.map((arg) => {
      if (!isCallback(arg)) return arg
      return (value: unknown): void => {
        // A page that goes away takes no more events; the call itself goes on or is aborted.
        delivered = Promise.all([delivered, arg(value).catch(() => undefined)])
      }
    })
    try {
      return await method(...local)
    } finally {
      await delivered
      for (const callback of callbacks) callback[releaseProxy]()
      for (const arg of args) if (arg instanceof AbortSignal) releaseSignal(arg)
    }
  }
}

function isCallback(value: unknown): value is RemoteCallback {
  return typeof value === 'function'
}
