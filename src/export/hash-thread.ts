import { abortError, StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { errorOf, type Fault, faultOf } from '../kernels/messages.ts'
import { isObject, type KernelPort, type ServingPort } from '../kernels/port.ts'
import { type FileHasher, type FileHashes, fileHashes, type Hasher } from './hash-file.ts'

/** `file` is what the thread finds a file by. Files are answered in order; `stop` ends all work. */
type Request = { readonly kind: 'file'; readonly file: unknown } | { readonly kind: 'stop' }

type Answer =
  | { readonly kind: 'read'; readonly bytes: number }
  | { readonly kind: 'done'; readonly hashes: FileHashes }
  | { readonly kind: 'fault'; readonly fault: Fault }

interface Waiting {
  readonly onBytes: (bytes: number) => void
  readonly resolve: (hashes: FileHashes) => void
  readonly reject: (error: Error) => void
}

/**
 * Hashes in a thread that runs `serveHashing`, beside the work of this one. `fileOf` says what the thread finds a closed file by:
 * it opens it by itself, so that no byte of it passes between the two. Calls reject with the thread's fault, `worker-lost` or
 * `aborted`.
 */
export function hashInThread(port: KernelPort, fileOf: (path: string) => unknown): FileHasher {
  const waiting: Waiting[] = []
  let fault: Error | null = null
  const fail = (error: Error): void => {
    fault ??= error
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  port.onLost((reason) => fail(lostError(reason)))
  port.listen((message) => {
    if (!isAnswer(message)) return
    if (message.kind === 'read') waiting[0]?.onBytes(message.bytes)
    else if (message.kind === 'done') waiting.shift()?.resolve(message.hashes)
    else waiting.shift()?.reject(errorOf(message.fault))
  })
  const post = (request: Request): void => port.post(request, [])
  const hashesOf: FileHasher['hashesOf'] = async (path, onBytes, signal) => {
    const file = await fileOf(path)
    throwIfAborted(signal)
    if (fault !== null) throw fault
    let stop = (): void => undefined
    try {
      return await new Promise<FileHashes>((resolve, reject) => {
        // A thread that reads without waiting hears of it late.
        stop = () => {
          post({ kind: 'stop' })
          reject(abortError())
        }
        signal?.addEventListener('abort', stop)
        waiting.push({ onBytes, resolve, reject })
        post({ kind: 'file', file })
      })
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }
  return {
    hashesOf,
    close() {
      port.terminate()
      fail(abortError())
    },
  }
}

/** The whole of a hashing thread. */
export function serveHashing(
  port: ServingPort,
  open: (file: unknown) => Promise<ByteSource>,
  createSha256: () => Hasher | Promise<Hasher>,
): void {
  const post = (answer: Answer): void => port.post(answer, [])
  const stop = new AbortController()
  const hashesOf = async (file: unknown): Promise<FileHashes> =>
    fileHashes(await open(file), await createSha256(), (bytes) => post({ kind: 'read', bytes }), stop.signal)
  let work = Promise.resolve()
  port.listen((message) => {
    if (!isRequest(message)) return
    if (message.kind === 'stop') {
      stop.abort()
      return
    }
    work = work.then(async () => {
      try {
        post({ kind: 'done', hashes: await hashesOf(message.file) })
      } catch (error) {
        post({ kind: 'fault', fault: faultOf(error) })
      }
    })
  })
}

function isRequest(message: unknown): message is Request {
  return isObject(message) && ['file', 'stop'].includes(String(message['kind']))
}

function isAnswer(message: unknown): message is Answer {
  return isObject(message) && ['read', 'done', 'fault'].includes(String(message['kind']))
}

function lostError(reason: string): StudioError {
  return new StudioError('worker-lost', {
    title: 'A worker was lost',
    message: `The worker that hashes a file ended before it had its hash: ${reason}.`,
    remedy: 'Nothing was saved. Close other tabs to free memory, then write the file again.',
    details: { reason },
  })
}
