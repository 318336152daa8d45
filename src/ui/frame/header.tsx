import { ActionIcon, Button } from '@mantine/core'
import { useStore } from 'zustand'
import { exportsStore } from '../../state/exports-store.ts'
import { modelStore } from '../../state/model-store.ts'
import { recipesStore } from '../../state/recipes-store.ts'
import { runStore } from '../../state/run-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import { type Step, steps, uiStore } from '../../state/ui-store.ts'
import { Icon } from '../parts/icon.tsx'
import { useScheme } from '../theme/use-scheme.ts'
import { Shelf } from './shelf.tsx'

const stepTitles: Readonly<Record<Step, string>> = {
  open: 'Open',
  inspect: 'Inspect',
  recipes: 'Recipes',
  run: 'Run',
  compare: 'Compare',
  export: 'Export',
}

/** Steps whose work is done get a green tick. */
function useFinishedSteps(): ReadonlySet<Step> {
  const isOpen = useStore(modelStore, (state) => state.summary !== null)
  const hasLooked = useStore(modelStore, (state) => Object.keys(state.descriptions).length > 0)
  const hasRecipes = useStore(recipesStore, (state) => state.entries.length > 0)
  const hasReport = useStore(runStore, (state) => state.report !== null)
  const hasExport = useStore(exportsStore, (state) => state.jobs.some((job) => job.status === 'done'))
  const done: readonly (readonly [Step, boolean])[] = [
    ['open', isOpen],
    ['inspect', isOpen && (hasLooked || hasReport)],
    ['recipes', isOpen && hasRecipes],
    ['run', hasReport],
    ['export', hasExport],
  ]
  return new Set(done.filter(([, isDone]) => isDone).map(([step]) => step))
}

function Steps() {
  const current = useStore(uiStore, (state) => state.step)
  const finished = useFinishedSteps()
  return (
    <nav className="qs-steps" aria-label="Steps">
      {steps.map((step, index) => (
        <a key={step} href={`#${step}`} aria-current={step === current ? 'step' : undefined}>
          <span className="qs-step-number" aria-hidden="true">
            {index + 1}
          </span>
          {stepTitles[step]}
          {finished.has(step) ? (
            <>
              <Icon name="tick" />
              <span className="qs-hidden-text">, done</span>
            </>
          ) : null}
        </a>
      ))}
    </nav>
  )
}

/** "Nothing leaves this tab", or where bytes come from when the model or a text is of the Hub. */
function usePrivacyClaim(): string {
  const isHubModel = useStore(modelStore, (state) => state.summary?.originKind === 'hub')
  const isHubText = useStore(textsStore, ({ evaluation, calibration }) => [evaluation, calibration].some((text) => text?.origin === 'hub'))
  const isHub = isHubModel || isHubText
  const endpoint = useStore(modelStore, (state) => state.environment?.hubEndpoint ?? state.settings.hubEndpoint)
  return isHub && URL.canParse(endpoint) ? `Reads from ${new URL(endpoint).host}, sends nothing` : 'Nothing leaves this tab'
}

export function Header() {
  const { scheme, toggle } = useScheme()
  const claim = usePrivacyClaim()
  return (
    <header className="qs-top">
      <div className="qs-topbar">
        <a className="qs-brand" href="#open" aria-label="Quantization Studio, open a model">
          <svg viewBox="0 0 22 22" fill="none" aria-hidden="true">
            <path d="M2 19C8 19 13 13 20 3" stroke="currentColor" strokeWidth="1.2" opacity=".45" />
            <path d="M2 19h4.5v-3.2H11v-4.6h4.5V6.4H20V3" stroke="currentColor" strokeWidth="2" />
          </svg>
          <span>Quantization Studio</span>
        </a>
        <Steps />
        <span className="qs-space" />
        <Button
          className="qs-privacy"
          variant="subtle"
          leftSection={<Icon name="lock" />}
          aria-haspopup="dialog"
          aria-label={`${claim}, show the proof`}
          onClick={() => uiStore.setState({ sheet: 'privacy' })}
        >
          <span>{claim}</span>
        </Button>
        <ActionIcon aria-label={`Switch to ${scheme === 'light' ? 'dark' : 'light'}`} onClick={toggle}>
          <Icon name="theme" />
        </ActionIcon>
        <ActionIcon aria-label="Settings" aria-haspopup="dialog" onClick={() => uiStore.setState({ sheet: 'settings' })}>
          <Icon name="settings" />
        </ActionIcon>
        <ActionIcon aria-label="Keyboard shortcuts" aria-haspopup="dialog" onClick={() => uiStore.setState({ sheet: 'keys' })}>
          <kbd>?</kbd>
        </ActionIcon>
      </div>
      <Shelf />
    </header>
  )
}
