import type { ReactNode } from 'react'
import { useEffect, useRef } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../state/model-store.ts'
import { runStore } from '../../state/run-store.ts'
import { type Step, uiStore } from '../../state/ui-store.ts'
import { CompareScreen } from '../features/compare/compare-screen.tsx'
import { ExportScreen } from '../features/export/export-screen.tsx'
import { InspectScreen } from '../features/inspect/inspect-screen.tsx'
import { OpenScreen } from '../features/open/open-screen.tsx'
import { OpenState } from '../features/open/open-state.tsx'
import { PasteDialog, PresetsDialog } from '../features/recipes/preset-dialogs.tsx'
import { RecipesScreen } from '../features/recipes/recipes-screen.tsx'
import { RunScreen, useRunTitle } from '../features/run/run-screen.tsx'
import { FaultNote } from '../parts/note.tsx'
import { useScheme } from '../theme/use-scheme.ts'
import { ErrorBoundary } from './error-boundary.tsx'
import { Header } from './header.tsx'
import { KeysSheet } from './keys-sheet.tsx'
import { Notices } from './notices.tsx'
import { PrivacySheet } from './privacy-sheet.tsx'
import { SettingsSheet } from './settings-sheet.tsx'
import { StatusBar } from './status-bar.tsx'
import { useDrop } from './use-drop.ts'
import { useKeyboard } from './use-keyboard.ts'
import './frame.css'
import '../parts/parts.css'

const screens: Readonly<Record<Step, () => ReactNode>> = {
  open: () => <OpenScreen />,
  inspect: () => <InspectScreen />,
  recipes: () => <RecipesScreen />,
  run: () => <RunScreen />,
  compare: () => <CompareScreen />,
  export: () => <ExportScreen />,
}

/** On a step change the page begins at its top and the focus is on its h1; not on the first paint. */
function useFocusOnStep(step: Step): void {
  const before = useRef(step)
  useEffect(() => {
    if (before.current === step) return
    before.current = step
    scrollTo(0, 0)
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true })
  }, [step])
}

/** The browser asks before leaving only if a block would be lost. */
function useLeaveGuard(): void {
  const isRunning = useStore(runStore, (state) => state.status === 'running' || state.status === 'stopping')
  useEffect(() => {
    if (!isRunning) return
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault()
    addEventListener('beforeunload', ask)
    return () => removeEventListener('beforeunload', ask)
  }, [isRunning])
}

/** Opening goes on wherever one is: a drop on any step says how it went there. Open and Inspect say it themselves. */
function OpeningElsewhere({ step }: { readonly step: Step }) {
  const isShown = useStore(modelStore, (state) => state.opening.kind !== 'idle')
  if (!isShown || step === 'open' || (step === 'inspect' && modelStore.getState().summary === null)) return null
  return (
    <div style={{ marginBottom: 16 }}>
      <OpenState />
    </div>
  )
}

/** One page, six steps. */
export function Frame() {
  const step = useStore(uiStore, (state) => state.step)
  const serviceFault = useStore(modelStore, (state) => state.serviceFault)
  const { toggle } = useScheme()
  const isDropping = useDrop()
  useKeyboard(toggle)
  useFocusOnStep(step)
  useLeaveGuard()
  useRunTitle()
  return (
    <div className={isDropping ? 'qs-dropping' : undefined}>
      <a
        className="qs-skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault()
          document.querySelector<HTMLElement>('main h1')?.focus()
        }}
      >
        Skip to content
      </a>
      <Header />
      <main className="qs-main" id="content">
        {serviceFault === null ? null : <FaultNote fault={serviceFault} />}
        <OpeningElsewhere step={step} />
        <ErrorBoundary resetKey={step}>{screens[step]()}</ErrorBoundary>
      </main>
      <StatusBar />
      <Notices />
      <SettingsSheet />
      <PrivacySheet />
      <KeysSheet />
      <PresetsDialog />
      <PasteDialog />
    </div>
  )
}
