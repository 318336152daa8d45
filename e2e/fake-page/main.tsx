// The whole page over a service of invented figures: `npx vite`, then /e2e/fake-page/index.html. Not in the product.
import { startPage } from '../../src/app/start-page.tsx'
import { createFakeService } from '../../src/testing/fake-service.ts'

const parameters = new URLSearchParams(location.search)
startPage(createFakeService({ pace: Number(parameters.get('pace') ?? 60), hasUnfinishedRun: parameters.has('unfinished') }))
