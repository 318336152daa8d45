/// <reference lib="webworker" />
import { holdLock } from '../src/rpc/hold-lock.ts'
import { serveTestDrive } from '../src/rpc/serve.ts'
import { createTestDrive } from '../src/testdrive/drive.ts'
import { runtimes } from '../src/testdrive/registry.ts'

holdLock(self)
serveTestDrive(createTestDrive({ runtimes, now: () => performance.now() }), self)
