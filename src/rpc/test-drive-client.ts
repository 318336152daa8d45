import { proxy, wrap } from 'comlink'
import { abortError, StudioError } from '../core/errors.ts'
import type { TestDriveService } from '../testdrive/contract.ts'
import { installCodec } from './codec.ts'
import { type WatchedWorker, watchWorker } from './watch-worker.ts'

/** The test drive in a worker, as the page holds it: every call has a worker of its own, which ends with it. */
export function connectTestDrive(spawn: () => WatchedWorker = spawnTestDrive): TestDriveService {
  installCodec()
  const never = new AbortController().signal
  return {
    runtimes: () => inWorker(spawn, never, (remote) => remote.runtimes()),
    drive: (request, onProgress, signal) =>
      // The worker ends with the signal, so it need not know it.
      inWorker(spawn, signal, (remote) => remote.drive(request, proxy(onProgress), new AbortController().signal)),
  }
}

function spawnTestDrive(): WatchedWorker {
  return new Worker(new URL('../../workers/test-drive.ts', import.meta.url), { type: 'module', name: 'test-drive' })
}

async function inWorker<T>(spawn: () => WatchedWorker, signal: AbortSignal, call: (remote: TestDriveService) => Promise<T>): Promise<T> {
  if (signal.aborted) throw abortError()
  const worker = spawn()
  try {
    return await new Promise<T>((resolve, reject) => {
      watchWorker(worker, 'test-drive', (reason) => reject(workerLost(reason)))
      signal.addEventListener('abort', () => reject(abortError()), { once: true })
      call(wrap<TestDriveService>(worker as Worker) as unknown as TestDriveService).then(resolve, reject)
    })
  } finally {
    worker.terminate()
  }
}

function workerLost(reason: string): StudioError {
  return new StudioError('worker-lost', {
    title: 'The test drive stopped',
    message: `The worker that ran the exported file ended: ${reason}.`,
    remedy: 'The file is not touched by this. Try the other device; a large model may need more memory than this tab has.',
    details: { reason },
  })
}
