import { connectStudio } from '../rpc/client.ts'
import { connectTestDrive } from '../rpc/test-drive-client.ts'
import { startPage } from './start-page.tsx'

startPage(connectStudio(), connectTestDrive())
