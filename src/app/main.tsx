import { connectStudio } from '../rpc/client.ts'
import { startPage } from './start-page.tsx'

startPage(connectStudio())
