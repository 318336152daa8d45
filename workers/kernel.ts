/// <reference lib="webworker" />
import { workerScopePort } from '../src/kernels/port.ts'
import { serveKernels } from '../src/kernels/serve.ts'
import { loadWasmOperations } from '../src/kernels/wasm/index.ts'

serveKernels(workerScopePort(self), loadWasmOperations)
