import type { CSSVariablesResolver, MantineColorsTuple } from '@mantine/core'
import { ActionIcon, Button, createTheme, Drawer, Modal, NativeSelect, SegmentedControl, Switch, Textarea, TextInput } from '@mantine/core'
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

/** Control heights: 26 small, 32 normal, 40 main action. */
const buttonSizes: Readonly<Record<string, readonly [height: string, padding: string, font: string]>> = {
  xs: ['26px', '9px', '12px'],
  sm: ['32px', '12px', '13px'],
  lg: ['40px', '18px', '14px'],
}
const iconSizes: Readonly<Record<string, string>> = { xs: '26px', sm: '32px', lg: '40px' }

const fieldSizes = { size: 'sm' } as const
const sheetOverlay = { overlayProps: { backgroundOpacity: 0.35, blur: 0 }, transitionProps: { duration: 120 } } as const

export const theme = createTheme({
  components: {
    Button: Button.extend({
      defaultProps: { variant: 'default', size: 'sm' },
      vars: (_theme, { size }) => {
        const [height, padding, font] = buttonSizes[size ?? 'sm'] ?? buttonSizes['sm'] ?? []
        if (height === undefined || padding === undefined || font === undefined) return { root: {} }
        return { root: { '--button-height': height, '--button-padding-x': padding, '--button-fz': font } }
      },
    }),
    ActionIcon: ActionIcon.extend({
      defaultProps: { variant: 'subtle', size: 'sm' },
      vars: (_theme, { size }) => ({ root: { '--ai-size': iconSizes[String(size ?? 'sm')] ?? '32px' } }),
    }),
    SegmentedControl: SegmentedControl.extend({ defaultProps: { size: 'xs', radius: 6, transitionDuration: 0 } }),
    TextInput: TextInput.extend({ defaultProps: fieldSizes }),
    Textarea: Textarea.extend({ defaultProps: fieldSizes }),
    NativeSelect: NativeSelect.extend({ defaultProps: fieldSizes }),
    Switch: Switch.extend({ defaultProps: { ...fieldSizes, withThumbIndicator: false } }),
    Modal: Modal.extend({ defaultProps: { ...sheetOverlay, radius: 12, centered: true } }),
    Drawer: Drawer.extend({ defaultProps: { ...sheetOverlay, position: 'right', size: 420 } }),
  },
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
