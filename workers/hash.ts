/// <reference lib="webworker" />
import { wasmSha256 } from '../src/export/hash-file.ts'
import { serveHashing } from '../src/export/hash-thread.ts'
import { OpfsFileStore } from '../src/io/opfs-store.ts'
import { workerScopePort } from '../src/kernels/port.ts'
import { openWritten, type WrittenFile } from '../src/pipeline/written-file.ts'

const stores = { runs: new OpfsFileStore('runs'), exports: new OpfsFileStore('exports') }

serveHashing(workerScopePort(self), (file) => openWritten(stores, file as WrittenFile), wasmSha256)
