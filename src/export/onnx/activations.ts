import { chosenValue, type ExportOptions, type TargetOption } from '../options.ts'

/** Type of activations and of what is on no grid. */
export const activationsOption: TargetOption = {
  id: 'activations',
  label: 'Computes in',
  explanation: 'f32 runs everywhere and computes what was measured here; f16 is smaller and meant for graphics cards that have halves.',
  values: ['f32', 'f16'],
}

export function computesInHalves(options: ExportOptions): boolean {
  return chosenValue(options, activationsOption) === 'f16'
}
