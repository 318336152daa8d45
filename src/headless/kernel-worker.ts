import { parentPort } from 'node:worker_threads'
import { nodeParentPort } from '../kernels/port.ts'
import { serveKernels } from '../kernels/serve.ts'
import { loadWasmOperations } from '../kernels/wasm/index.ts'

if (parentPort === null) throw new Error('kernel-worker runs as a worker thread.')
serveKernels(nodeParentPort(parentPort), loadWasmOperations)
