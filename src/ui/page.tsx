import { MantineProvider } from '@mantine/core'
import '@mantine/core/styles.layer.css'
import { ActionsProvider, type StudioActions } from './actions.ts'
import { Frame } from './frame/frame.tsx'
import './theme/base.css'
import './theme/mantine.css'
import { cssVariablesResolver, theme } from './theme/theme.ts'
import { useScheme } from './theme/use-scheme.ts'

/** The whole page over its actions; data comes from the stores. */
export function Page({ actions }: { readonly actions: StudioActions }) {
  const { scheme } = useScheme()
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariablesResolver} forceColorScheme={scheme}>
      <ActionsProvider value={actions}>
        <Frame />
      </ActionsProvider>
    </MantineProvider>
  )
}
