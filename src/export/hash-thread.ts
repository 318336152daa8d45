import { StudioError } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { errorOf, type Fault, faultOf } from '../kernels/messages.ts'
import { isObject, type KernelPort, type ServingPort } from '../kernels/port.ts'
import { type FileHashes, type Hasher, hashFile } from './hash-file.ts'

/** `file` is what the thread finds the file by. */
type Request = { readonly kind: 'hash'; readonly file: unknown } | { readonly kind: 'stop' }

type Answer =
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'hashes'; readonly hashes: FileHashes }
  | { readonly kind: 'fault'; readonly fault: Fault }

/**
 * Hashes a file in a thread that runs `serveHashing`, beside the work of this one, and ends the thread. The thread opens the
 * file by itself, so that no byte of it passes between the two. Rejects with its fault, `worker-lost` or `aborted`.
 */
export async function hashInThread(
  port: KernelPort,
  file: unknown,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<FileHashes> {
  const post = (request: Request): void => port.post(request, [])
  const stop = (): void => post({ kind: 'stop' })
  try {
    return await new Promise<FileHashes>((resolve, reject) => {
      port.onLost((reason) => reject(lostError(reason)))
      port.listen((message) => {
        if (!isAnswer(message)) return
        if (message.kind === 'bytes') onBytes(message.bytes)
        else if (message.kind === 'hashes') resolve(message.hashes)
        else reject(errorOf(message.fault))
      })
      post({ kind: 'hash', file })
      signal?.addEventListener('abort', stop)
      if (signal?.aborted === true) stop()
    })
  } finally {
    signal?.removeEventListener('abort', stop)
    port.terminate()
  }
}

/** The whole of a hashing thread: answers for the one file it is asked for. */
export function serveHashing(
  port: ServingPort,
  open: (file: unknown) => Promise<ByteSource>,
  createSha256: () => Hasher | Promise<Hasher>,
): void {
  const post = (answer: Answer): void => port.post(answer, [])
  const stop = new AbortController()
  port.listen((message) => {
    if (!isRequest(message)) return
    if (message.kind === 'stop') {
      stop.abort()
      return
    }
    const work = async (): Promise<FileHashes> =>
      hashFile(await open(message.file), await createSha256(), (bytes) => post({ kind: 'bytes', bytes }), stop.signal)
    work().then(
      (hashes) => post({ kind: 'hashes', hashes }),
      (error: unknown) => post({ kind: 'fault', fault: faultOf(error) }),
    )
  })
}

function isRequest(message: unknown): message is Request {
  return isObject(message) && (message['kind'] === 'hash' || message['kind'] === 'stop')
}

function isAnswer(message: unknown): message is Answer {
  return isObject(message) && ['bytes', 'hashes', 'fault'].includes(String(message['kind']))
}

function lostError(reason: string): StudioError {
  return new StudioError('worker-lost', {
    title: 'A worker was lost',
    message: `The worker that reads a written file once more ended before it had its hash: ${reason}.`,
    remedy: 'Nothing was saved. Close other tabs to free memory, then write the file again.',
    details: { reason },
  })
}
