import { abortError, StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { errorOf, type Fault, faultOf } from '../kernels/messages.ts'
import { isObject, type KernelPort, type ServingPort } from '../kernels/port.ts'
import { createHashes, type FileHasher, type FileHashes, fileChecksum, type Hasher } from './hash-file.ts'

/** `file` is what the thread finds a file by. All but `stop` are answered, in order. */
type Request =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'digest' }
  | { readonly kind: 'checksum'; readonly file: unknown }
  | { readonly kind: 'stop' }

type Answer =
  | { readonly kind: 'read'; readonly bytes: number }
  | { readonly kind: 'done'; readonly result: Uint8Array<ArrayBuffer> | FileHashes | string }
  | { readonly kind: 'fault'; readonly fault: Fault }

/** Bytes go to the thread in copies of at most this size. */
const copyBytes = 2 ** 22
/** Copies that wait there: enough that neither end waits for the other. */
const copiesAhead = 4

/**
 * Hashes in a thread that runs `serveHashing`, beside the work of this one. `fileOf` says what the thread finds a closed file by:
 * it opens it by itself, so that no byte of it passes between the two. Calls reject with the thread's fault, `worker-lost` or
 * `aborted`.
 */
export function hashInThread(port: KernelPort, fileOf: (path: string) => unknown): FileHasher {
  const waiting: { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }[] = []
  let fault: Error | null = null
  let onRead: (bytes: number) => void = () => undefined
  const fail = (error: Error): void => {
    fault ??= error
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  port.onLost((reason) => fail(lostError(reason)))
  port.listen((message) => {
    if (!isAnswer(message)) return
    if (message.kind === 'read') onRead(message.bytes)
    else if (message.kind === 'done') waiting.shift()?.resolve(message.result)
    else waiting.shift()?.reject(errorOf(message.fault))
  })
  const post = (request: Request, transfer: readonly ArrayBuffer[] = []): void => port.post(request, transfer)
  const ask = <Result>(request: Request, transfer?: readonly ArrayBuffer[]): Promise<Result> =>
    new Promise<Result>((resolve, reject) => {
      if (fault !== null) {
        reject(fault)
        return
      }
      waiting.push({ resolve: resolve as (result: unknown) => void, reject })
      post(request, transfer)
    })

  /** The thread gives copies back, which are used again. */
  const copies: Promise<Uint8Array<ArrayBuffer>>[] = []
  const takeCopy = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const spent = copies.length < copiesAhead ? undefined : await copies.shift()
    return new Uint8Array(spent?.buffer ?? new ArrayBuffer(copyBytes))
  }
  /** The copy that is being filled: a message for each small piece would cost more than its bytes. */
  let open: { readonly copy: Uint8Array<ArrayBuffer>; filled: number } | null = null
  const send = (): void => {
    if (open === null) return
    const { copy, filled } = open
    open = null
    const answer = ask<Uint8Array<ArrayBuffer>>({ kind: 'bytes', bytes: copy.subarray(0, filled) }, [copy.buffer])
    // It is awaited when the copy is needed again; until then a rejection is not unhandled.
    answer.catch(() => undefined)
    copies.push(answer)
  }
  return {
    async update(bytes) {
      for (let start = 0; start < bytes.length; ) {
        open ??= { copy: await takeCopy(), filled: 0 }
        const piece = bytes.subarray(start, start + copyBytes - open.filled)
        open.copy.set(piece, open.filled)
        open.filled += piece.length
        start += piece.length
        if (open.filled === copyBytes) send()
      }
    },
    digest() {
      send()
      return ask<FileHashes>({ kind: 'digest' })
    },
    async checksumOf(path, onBytes, signal) {
      throwIfAborted(signal)
      onRead = onBytes
      const stop = (): void => post({ kind: 'stop' })
      signal?.addEventListener('abort', stop)
      try {
        return await ask<string>({ kind: 'checksum', file: await fileOf(path) })
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    },
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
  const post = (answer: Answer, transfer: readonly ArrayBuffer[] = []): void => port.post(answer, transfer)
  const create = async () => createHashes(await createSha256())
  const stop = new AbortController()
  let hashes = create()
  const answer = async (request: Exclude<Request, { kind: 'stop' }>): Promise<void> => {
    switch (request.kind) {
      case 'bytes':
        ;(await hashes).update(request.bytes)
        post({ kind: 'done', result: request.bytes }, [request.bytes.buffer])
        break
      case 'digest':
        post({ kind: 'done', result: (await hashes).digest() })
        hashes = create()
        break
      case 'checksum': {
        const file = await open(request.file)
        post({ kind: 'done', result: await fileChecksum(file, (bytes) => post({ kind: 'read', bytes }), stop.signal) })
      }
    }
  }
  let work = Promise.resolve()
  port.listen((message) => {
    if (!isRequest(message)) return
    if (message.kind === 'stop') stop.abort()
    else work = work.then(() => answer(message)).catch((error: unknown) => post({ kind: 'fault', fault: faultOf(error) }))
  })
}

function isRequest(message: unknown): message is Request {
  return isObject(message) && ['bytes', 'digest', 'checksum', 'stop'].includes(String(message['kind']))
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
