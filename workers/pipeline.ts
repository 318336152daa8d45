/// <reference lib="webworker" />
import packageFile from '../package.json'
import { defaultHubEndpoint } from '../src/checkpoint/hub.ts'
import { hashInThread } from '../src/export/hash-thread.ts'
import { OpfsFileStore } from '../src/io/opfs-store.ts'
import { storageError } from '../src/io/store-path.ts'
import { accelerateKernels } from '../src/kernels/accelerate.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { webWorkerPort } from '../src/kernels/port.ts'
import { openWebGpuKernels } from '../src/kernels/webgpu/index.ts'
import { createStudio } from '../src/pipeline/service.ts'
import { holdLock } from '../src/rpc/hold-lock.ts'
import { serveStudio } from '../src/rpc/serve.ts'
import { createOnnxEngine } from '../src/runtime/engines/onnxruntime.ts'
import { probeWebGpu } from '../src/runtime/engines/webgpu.ts'

/** Where the page does not say how much memory the machine has (`deviceMemory` is Chromium's and at most 8). */
const assumedMemoryGiB = 8

const studio = createStudio({
  runs: new OpfsFileStore('runs'),
  // What is lost with the power is written again from its run.
  exports: new OpfsFileStore('exports', { isDurable: false }),
  hub: new OpfsFileStore('hub'),
  cores: navigator.hardwareConcurrency,
  crossOriginIsolated: self.crossOriginIsolated,
  defaultMemoryLimitBytes: (('deviceMemory' in navigator ? Number(navigator.deviceMemory) : assumedMemoryGiB) * 2 ** 30) / 2,
  defaultHubEndpoint,
  versions: { version: packageFile.version, onnxruntime: packageFile.dependencies['onnxruntime-web'].replace('^', '') },
  probeWebGpu,
  createKernels: async (threads, backend) => {
    const pool = await createKernelPool({
      threads,
      spawn: () => webWorkerPort(new Worker(new URL('./kernel.ts', import.meta.url), { type: 'module', name: 'kernel' })),
    })
    const choice = ({ automatic: 'automatic', webgpu: 'always', wasm: 'never' } as const)[backend]
    return accelerateKernels(pool, { choice, open: openWebGpuKernels, now: () => performance.now() })
  },
  createEngine: createOnnxEngine,
  fetchSample: async (path, signal) => {
    const response = await fetch(new URL(`${import.meta.env.BASE_URL}samples/${path}`, self.location.origin), { signal })
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : null
  },
  startHasher: (fileOf) => {
    const worker = new Worker(new URL('./hash.ts', import.meta.url), { type: 'module', name: 'hash' })
    return hashInThread(webWorkerPort(worker), fileOf)
  },
  openExport: async (path) => {
    try {
      let folder = await navigator.storage.getDirectory()
      const parts = path.split('/')
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part)
      return await (await folder.getFileHandle(parts.at(-1) ?? '')).getFile()
    } catch (cause) {
      throw storageError('Reading', path, cause)
    }
  },
  now: () => performance.now(),
  memoryBytes: () => null,
})

holdLock(self)
serveStudio(studio, self)
