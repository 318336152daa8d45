import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import type { StudioService } from '../rpc/contract.ts'
import { faultOf } from '../state/fault.ts'
import { notify, uiStore } from '../state/ui-store.ts'
import type { TestDriveService } from '../testdrive/contract.ts'
import { Page } from '../ui/page.tsx'
import { createActions, loadBeginning } from './controller/create-actions.ts'
import { openLinkedRecipes } from './controller/linked-recipes.ts'
import { startPlanning } from './controller/planning.ts'
import { startPreferences } from './preferences.ts'
import { recipeFragmentOf, startRouting } from './routing.ts'

/** Draws the page over its services and keeps stores, address and services in step. */
export function startPage(service: StudioService, testDrive: TestDriveService): void {
  const root = document.getElementById('root')
  if (root === null) throw new Error('index.html has no element with id root')
  startPreferences()
  const linked = recipeFragmentOf(location.hash)
  if (linked !== null) uiStore.setState({ step: 'recipes' })
  startRouting()
  startPlanning({ service, testDrive })
  createRoot(root).render(
    <StrictMode>
      <Page actions={createActions({ service, testDrive })} />
    </StrictMode>,
  )
  void loadBeginning(service).then(async () => {
    if (linked !== null) await openLinkedRecipes(service, linked)
  })
  // What no handler caught: said once, the page goes on.
  addEventListener('unhandledrejection', (event) => notify(faultOf(event.reason).message))
}
