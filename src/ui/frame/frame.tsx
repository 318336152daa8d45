import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { Suspense, useEffect, useRef } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../state/model-store.ts'
import { isRunOn, runStore } from '../../state/run-store.ts'
import { type Step, uiStore } from '../../state/ui-store.ts'
import { OpenScreen } from '../features/open/open-screen.tsx'
import { OpenState } from '../features/open/open-state.tsx'
import { PasteDialog, PresetsDialog } from '../features/recipes/preset-dialogs.tsx'
import { runPhase } from '../features/run/run-text.ts'
import { useRunTitle } from '../features/run/use-run-title.ts'
import { FaultNote } from '../parts/note.tsx'
import { EmptyState } from '../parts/small-parts.tsx'
import { useScheme } from '../theme/use-scheme.ts'
import { ErrorBoundary } from './error-boundary.tsx'
import { Header } from './header.tsx'
import { KeysSheet } from './keys-sheet.tsx'
import { laterScreen } from './later-screen.tsx'
import { Notices } from './notices.tsx'
import { PrivacySheet } from './privacy-sheet.tsx'
import { SettingsSheet } from './settings-sheet.tsx'
import { StatusBar } from './status-bar.tsx'
import { useDrop } from './use-drop.ts'
import { useKeyboard } from './use-keyboard.ts'
import './frame.css'
import '../parts/parts.css'

// Open is there at first sight; the others, with the chart library, come while one reads it.
const inspect = laterScreen(async () => (await import('../features/inspect/inspect-screen.tsx')).InspectScreen)
const recipes = laterScreen(async () => (await import('../features/recipes/recipes-screen.tsx')).RecipesScreen)
const run = laterScreen(async () => (await import('../features/run/run-screen.tsx')).RunScreen)
const compare = laterScreen(async () => (await import('../features/compare/compare-screen.tsx')).CompareScreen)
const exporting = laterScreen(async () => (await import('../features/export/export-screen.tsx')).ExportScreen)

/** The page works offline once it is loaded: every screen is fetched at its start, one after the other. */
function useAllScreens(): void {
  useEffect(() => {
    const loadAll = async (): Promise<void> => {
      for (const { fetch } of [recipes, inspect, compare, run, exporting]) await fetch()
    }
    // A screen that cannot be fetched says so when it is opened (error boundary).
    void loadAll().catch(() => undefined)
  }, [])
}

const screens: Readonly<Record<Step, () => ReactNode>> = {
  open: () => <OpenScreen />,
  inspect: () => <inspect.Screen />,
  recipes: () => <recipes.Screen />,
  run: () => <run.Screen />,
  compare: () => <ComparePlace />,
  export: () => <exporting.Screen />,
}

/** Compare, and the wait for its first block: the empty state would point away from a run that is on. */
function ComparePlace() {
  const isRunning = useStore(runStore, isRunOn)
  const hasCells = useStore(runStore, (state) => Object.keys(state.cells).length > 0)
  const phase = useStore(runStore, (state) => runPhase(state.progress, state.status))
  if (!isRunning || hasCells) return <compare.Screen />
  return (
    <EmptyState
      title="The first block is being measured"
      actions={
        <Button component="a" href="#run">
          Watch the run
        </Button>
      }
    >
      Charts appear here as blocks finish. Now: {phase}.
    </EmptyState>
  )
}

/** On a step change the page begins at its top and the focus is on its h1; not on the first paint. */
function useFocusOnStep(step: Step): void {
  const before = useRef(step)
  useEffect(() => {
    if (before.current === step) return
    before.current = step
    scrollTo(0, 0)
    let frame = 0
    // While a screen is fetched there is no h1 yet, or the one before is kept but not drawn.
    const focus = (): void => {
      const heading = document.querySelector<HTMLElement>('main h1')
      if (heading === null || heading.getClientRects().length === 0) frame = requestAnimationFrame(focus)
      else heading.focus({ preventScroll: true })
    }
    focus()
    return () => cancelAnimationFrame(frame)
  }, [step])
}

/** The browser asks before leaving only if a block would be lost. */
function useLeaveGuard(): void {
  const isRunning = useStore(runStore, isRunOn)
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
  useAllScreens()
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
        <ErrorBoundary resetKey={step}>
          <Suspense fallback={null}>{screens[step]()}</Suspense>
        </ErrorBoundary>
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
