import type { Rounding } from '../rounding.ts'
import { parseWithoutSettings } from '../without-settings.ts'

/** llama.cpp's importance matrix: the scale searches of a grid weigh each error by the mean square of the input it meets. */
const weighted: Rounding<null> = {
  kind: 'weighted',
  title: 'Weighted by importance',
  explanation: 'Scales fit best where the inputs are largest on the calibration text. What llama.cpp calls an importance matrix.',
  order: 3,
  fields: [],
  parse: (choice) => parseWithoutSettings('rounding weighted by importance', choice),
  label: () => 'imatrix',
  fromLabel: (label) => (label === 'imatrix' ? { kind: 'weighted' } : null),
  suffix: () => 'imatrix',
  fromSuffix: (text) => (text === 'imatrix' ? { kind: 'weighted' } : null),
  // One matrix of a recipe may lie on a grid that has nothing to search; a whole recipe would only pretend to be calibrated.
  supports: (grid, _settings, { gridSettings, place }) =>
    place === 'tensor' ||
    grid.importanceUse(gridSettings) !== 'ignored' ||
    `${grid.label(gridSettings)} stores the same weights whichever inputs matter: its scales are not searched for.`,
  needsActivations: 'float',
  givesImportance: true,
  quantize: (name, weight, { grid, gridSettings, importance, kernels, signal }) =>
    grid.quantizeNearest(name, weight, {
      settings: gridSettings,
      importance,
      kernels,
      ...(signal === undefined ? {} : { signal }),
    }),
}

export default weighted
