import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { serveHashing } from '../export/hash-thread.ts'
import { nodeParentPort } from '../kernels/port.ts'
import { nodeFileSource } from './node-source.ts'

if (parentPort === null) throw new Error('hash-worker runs as a worker thread.')
serveHashing(
  nodeParentPort(parentPort),
  (path) => nodeFileSource(String(path)),
  // The processor's own instructions: some four times as fast as WASM.
  () => {
    const hash = createHash('sha256')
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
  },
)
