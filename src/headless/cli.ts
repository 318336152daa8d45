import { setMaxListeners } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import packageFile from '../../package.json'
import { hashInThread } from '../export/hash-thread.ts'
import { createKernelPool } from '../kernels/pool.ts'
import { nodeWorkerPort } from '../kernels/port.ts'
import { createNativeEngine } from '../runtime/engines/native.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { runCli } from './run-cli.ts'

/** Runs the command in this process; `threads` are the bundled entries of its threads. Returns the exit code. */
export async function main(argv: readonly string[], threads: { readonly kernel: URL; readonly hash: URL }): Promise<number> {
  const stop = new AbortController()
  // Every piece of work in the threads listens to it.
  setMaxListeners(0, stop.signal)
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  return runCli(
    argv,
    {
      env: process.env,
      cores: availableParallelism(),
      versions: { version: packageFile.version, onnxruntime: packageFile.dependencies['onnxruntime-web'].replace('^', '') },
      samples: fileURLToPath(new URL('../../public/samples/', import.meta.url)),
      createKernels: (count) => createKernelPool({ threads: count, spawn: () => nodeWorkerPort(new Worker(threads.kernel)) }),
      createEngine: (engine, count) =>
        engine === 'native' ? createNativeEngine(count) : createOnnxEngine({ backend: 'wasm', threads: count }),
      startHasher: (fileOf) => hashInThread(nodeWorkerPort(new Worker(threads.hash)), fileOf),
      tell: (line) => process.stdout.write(`${line}\n`),
      complain: (line) => process.stderr.write(`${line}\n`),
    },
    stop.signal,
  )
}
