import type { CSSVariablesResolver, MantineColorsTuple } from '@mantine/core'
import { createTheme } from '@mantine/core'
import { schemeVariables } from './tokens.ts'

export const sansStack =
  '-apple-system, BlinkMacSystemFont, "Segoe UI Variable Text", "Segoe UI", Inter, Roboto, Cantarell, "Noto Sans", Ubuntu, "Helvetica Neue", Arial, sans-serif'
export const monoStack =
  'ui-monospace, "SF Mono", SFMono-Regular, Menlo, "Cascadia Mono", Consolas, "Roboto Mono", "Liberation Mono", monospace'

/** From paper to ink. Mantine fills primary controls with shade 8 in light and 1 in dark (see `primaryShade`). */
const ink: MantineColorsTuple = [
  '#f6f6f3',
  '#ededee',
  '#e4e3dd',
  '#cdccc4',
  '#94979d',
  '#74777d',
  '#54575c',
  '#404247',
  '#1b1c1e',
  '#0f1011',
]

export const theme = createTheme({
  primaryColor: 'ink',
  primaryShade: { light: 8, dark: 1 },
  autoContrast: true,
  colors: { ink },
  defaultRadius: 6,
  radius: { xs: '4px', sm: '6px', md: '8px' },
  spacing: { xs: '4px', sm: '8px', md: '12px', lg: '16px', xl: '24px' },
  fontFamily: sansStack,
  fontFamilyMonospace: monoStack,
  fontSizes: { xs: '11px', sm: '12px', md: '13px', lg: '15px', xl: '24px' },
  lineHeights: { xs: '16px', sm: '16px', md: '20px', lg: '20px', xl: '32px' },
  headings: { fontFamily: sansStack, fontWeight: '600' },
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
})

/** Our tokens as variables, and Mantine's own surfaces, text and borders mapped to them. */
export const cssVariablesResolver: CSSVariablesResolver = () => {
  const mapped = {
    '--mantine-color-body': 'var(--qs-background)',
    '--mantine-color-text': 'var(--qs-ink)',
    '--mantine-color-dimmed': 'var(--qs-ink-2)',
    '--mantine-color-placeholder': 'var(--qs-ink-3)',
    '--mantine-color-default': 'var(--qs-surface)',
    '--mantine-color-default-hover': 'var(--qs-sunk)',
    '--mantine-color-default-color': 'var(--qs-ink)',
    '--mantine-color-default-border': 'var(--qs-line-2)',
    '--mantine-color-error': 'var(--qs-fault)',
    '--mantine-primary-color-contrast': 'var(--qs-on-ink)',
  }
  return {
    variables: {},
    light: { ...schemeVariables('light'), ...mapped },
    dark: { ...schemeVariables('dark'), ...mapped },
  }
}
