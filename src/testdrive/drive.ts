import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { TestDriveProgress, TestDriveRequest, TestDriveResult, TestDriveService } from './contract.ts'
import type { DrivenModel, TestDriveRuntime } from './runtime.ts'

export interface TestDriveTools {
  readonly runtimes: readonly TestDriveRuntime[]
  /** Milliseconds of a clock. */
  readonly now: () => number
}

/** The service over a list of runtimes. */
export function createTestDrive({ runtimes, now }: TestDriveTools): TestDriveService {
  return {
    runtimes: () => Promise.resolve(runtimes.map(({ id, title, targets, devices }) => ({ id, title, targets, devices }))),
    async drive(request, onProgress, signal) {
      const runtime = runtimes.find(({ id }) => id === request.runtimeId)
      if (runtime === undefined) throw runtimeFailed(request.runtimeId, 'there is no such runtime')
      throwIfAborted(signal)
      onProgress({ step: 'loading', done: 0, of: 1 })
      const started = now()
      try {
        const model = await runtime.load(request)
        try {
          const loadSeconds = (now() - started) / 1000
          return {
            runtime: runtime.title,
            version: model.version,
            device: request.device,
            loadSeconds,
            ...(await measure(model, { request, now, onProgress, signal })),
          }
        } finally {
          await model.close()
        }
      } catch (error) {
        throw error instanceof StudioError ? error : runtimeFailed(runtime.title, String(error instanceof Error ? error.message : error))
      }
    },
  }
}

async function measure(
  model: DrivenModel,
  {
    request: { prompt, tokens, warmUps, runs },
    now,
    onProgress,
    signal,
  }: {
    readonly request: TestDriveRequest
    readonly now: () => number
    readonly onProgress: (progress: TestDriveProgress) => void
    readonly signal: AbortSignal
  },
): Promise<Pick<TestDriveResult, 'tokenIds' | 'text' | 'tokensPerSecond' | 'isRepeatable'>> {
  for (let done = 0; done < warmUps; done++) {
    onProgress({ step: 'warming-up', done, of: warmUps })
    await model.generate(prompt, tokens)
    throwIfAborted(signal)
  }
  const tokensPerSecond: number[] = []
  let first: Awaited<ReturnType<DrivenModel['generate']>> | null = null
  let isRepeatable = true
  for (let done = 0; done < runs; done++) {
    onProgress({ step: 'running', done, of: runs })
    const started = now()
    const made = await model.generate(prompt, tokens)
    tokensPerSecond.push(made.tokenIds.length / ((now() - started) / 1000))
    throwIfAborted(signal)
    first ??= made
    if (made.tokenIds.join() !== first.tokenIds.join()) isRepeatable = false
  }
  return { tokenIds: first?.tokenIds ?? [], text: first?.text ?? '', tokensPerSecond, isRepeatable }
}

function runtimeFailed(runtime: string, reason: string): StudioError {
  return new StudioError('engine-failed', {
    title: 'The runtime could not run the file',
    message: `${runtime}: ${reason}.`,
    remedy: 'The file itself is checked and can be saved. Try the other device, or a smaller model.',
    details: { runtime, reason },
  })
}
