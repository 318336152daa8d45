import { useMediaQuery } from '@mantine/hooks'
import { useStore } from 'zustand'
import { type Scheme, uiStore } from '../../state/ui-store.ts'

/** The scheme in force and its switch; `auto` follows the system until it is switched. */
export function useScheme(): { readonly scheme: Scheme; readonly toggle: () => void } {
  const theme = useStore(uiStore, (state) => state.theme)
  const isSystemDark = useMediaQuery('(prefers-color-scheme: dark)', false, { getInitialValueInEffect: false })
  const scheme: Scheme = theme === 'auto' ? (isSystemDark ? 'dark' : 'light') : theme
  return { scheme, toggle: () => uiStore.setState({ theme: scheme === 'light' ? 'dark' : 'light' }) }
}
