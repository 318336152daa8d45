import { type EngineSettings } from '../rpc/contract.ts'
import { modelStore } from '../state/model-store.ts'
import { uiStore } from '../state/ui-store.ts'

const KEY = 'quantization-studio'

interface Preferences {
  readonly theme: 'auto' | 'light' | 'dark'
  readonly areKeysOn: boolean
  readonly settings: EngineSettings
}

/** Storage may be switched off or hold something else: then the defaults stand. */
function read(): Partial<Preferences> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}')
    return typeof found === 'object' && found !== null ? found : {}
  } catch {
    return {}
  }
}

function write(preferences: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences))
  } catch {
    // A private window without storage: preferences last as long as the tab.
  }
}

/** Reads theme, keyboard switch and engine settings, and keeps them as they change. */
export function startPreferences(): () => void {
  const { theme, areKeysOn, settings } = read()
  if (theme === 'light' || theme === 'dark') uiStore.setState({ theme })
  if (typeof areKeysOn === 'boolean') uiStore.setState({ areKeysOn })
  if (typeof settings === 'object') modelStore.setState((state) => ({ settings: { ...state.settings, ...settings } }))
  const keep = (): void => {
    const ui = uiStore.getState()
    write({ theme: ui.theme, areKeysOn: ui.areKeysOn, settings: modelStore.getState().settings })
  }
  const ends = [
    uiStore.subscribe((state, before) => {
      if (state.theme !== before.theme || state.areKeysOn !== before.areKeysOn) keep()
    }),
    modelStore.subscribe((state, before) => {
      if (state.settings !== before.settings) keep()
    }),
  ]
  return () => {
    for (const end of ends) end()
  }
}
