/** Colours and measures of the page, by scheme. Every component takes them through CSS variables (`--qs-…`). */
export type SchemeName = 'light' | 'dark'

const light = {
  background: '#f6f6f3',
  surface: '#ffffff',
  sunk: '#f1f1ed',
  line: '#e4e3dd',
  'line-2': '#cdccc4',
  control: '#8b8b85',
  ink: '#1b1c1e',
  'ink-2': '#54575c',
  'ink-3': '#676a70',
  'on-ink': '#ffffff',
  focus: '#1f5fd0',
  ok: '#1b7340',
  warn: '#875600',
  'warn-bg': '#fcf3dd',
  'warn-line': '#ecd9a8',
  fault: '#b0261c',
  'fault-bg': '#fdecea',
  'fault-line': '#f2c6c1',
  bar: '#a9aaa4',
} as const

export type TokenName = keyof typeof light

const dark: Readonly<Record<TokenName, string>> = {
  background: '#0f1011',
  surface: '#17181a',
  sunk: '#1e1f22',
  line: '#2a2b2f',
  'line-2': '#404247',
  control: '#74777d',
  ink: '#ededee',
  'ink-2': '#b2b4b9',
  'ink-3': '#94979d',
  'on-ink': '#131416',
  focus: '#7aa7ff',
  ok: '#5cc98a',
  warn: '#e6b450',
  'warn-bg': '#272114',
  'warn-line': '#4a3d1d',
  fault: '#ff8a80',
  'fault-bg': '#2b1917',
  'fault-line': '#55302c',
  bar: '#5b5e64',
}

export const tokens: Readonly<Record<SchemeName, Readonly<Record<TokenName, string>>>> = { light, dark }

/**
 * Recipe colours by slot. Found by search: least distance between any two in OKLab 0.109 (light) and 0.124 (dark), in
 * normal sight and in simulated protanopia, deuteranopia and tritanopia. Shape and dash differ as well.
 */
export const recipeColours: Readonly<Record<SchemeName, readonly string[]>> = {
  light: ['#0b419e', '#ab4d13', '#007a6b', '#8158c3', '#999209', '#0d9eb5', '#68345f', '#8c0000'],
  dark: ['#5e7dec', '#ee9700', '#29c496', '#b7a2fe', '#e7da61', '#7fe9f8', '#a8719c', '#d8592b'],
}

/** Heat ramp, low to high; one hue, lightness strictly monotone. High error is the far end from the paper. */
export const heatRamp: Readonly<Record<SchemeName, readonly string[]>> = {
  light: ['#f3f1e9', '#e9e3d0', '#dfd0ae', '#d6b886', '#cb9c60', '#b97d44', '#9c5d31', '#773f23', '#4e2617'],
  dark: ['#1f1f20', '#2d2823', '#433526', '#5d4529', '#7b592d', '#9d7136', '#c08e4c', '#dfb273', '#f8dfb0'],
}

/** Custom properties of one scheme: `--qs-ink`, `--qs-recipe-0` … `--qs-recipe-7`, `--qs-heat-0` … `--qs-heat-8`. */
export function schemeVariables(scheme: SchemeName): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(tokens[scheme]).map(([name, value]) => [`--qs-${name}`, value])),
    ...Object.fromEntries(recipeColours[scheme].map((colour, slot) => [`--qs-recipe-${slot}`, colour])),
    ...Object.fromEntries(heatRamp[scheme].map((colour, step) => [`--qs-heat-${step}`, colour])),
  }
}
