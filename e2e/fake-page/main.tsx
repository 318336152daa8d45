// The whole page over a service of invented figures: `npx vite`, then /e2e/fake-page/index.html. Not in the product.
import { startPage } from '../../src/app/start-page.tsx'
import { createTestDrive } from '../../src/testdrive/drive.ts'
import { createFakeService } from '../../src/testing/fake-service.ts'

const parameters = new URLSearchParams(location.search)
const service = createFakeService({ pace: Number(parameters.get('pace') ?? 60), hasUnfinishedRun: parameters.has('unfinished') })
startPage(service, createTestDrive({ runtimes: [], now: () => performance.now() }))
