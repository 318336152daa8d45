import type { Rounding } from '../rounding.ts'
import { parseWithoutSettings } from '../without-settings.ts'

const nearest: Rounding<null> = {
  kind: 'nearest',
  title: 'Nearest',
  explanation: 'Each weight takes the closest allowed value. Needs no text and takes seconds.',
  order: 1,
  fields: [],
  parse: (choice) => parseWithoutSettings('nearest rounding', choice),
  label: () => 'nearest',
  fromLabel: (label) => (label === 'nearest' ? { kind: 'nearest' } : null),
  supports: (grid, _settings, { gridSettings }) =>
    grid.importanceUse(gridSettings) !== 'required' || `${grid.label(gridSettings)} cannot be rounded without knowing which inputs matter.`,
  needsActivations: 'none',
  givesImportance: false,
  quantizeStored: (name, source, { grid, gridSettings, kernels, signal }) =>
    grid.quantizeStored?.(name, source, { settings: gridSettings, kernels, ...(signal === undefined ? {} : { signal }) }) ?? null,
  quantize: (name, weight, { grid, gridSettings, kernels, signal }) =>
    grid.quantizeNearest(name, weight, { settings: gridSettings, kernels, ...(signal === undefined ? {} : { signal }) }),
}

export default nearest
