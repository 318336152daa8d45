import { isRequantized } from '../../kernels/contract/activations.ts'
import type { ExportFacts } from '../target.ts'
import type { PlannedTensor } from './planned-tensor.ts'

/** Of matrices that a format cannot pack because a size is no multiple of `unit`. */
export function plainNotes(tensors: readonly PlannedTensor[], unit: number): string[] {
  const plain = tensors.filter((tensor) => tensor.kind === 'plain')
  if (plain.length === 0) return []
  const sizes = new Set(plain.flatMap((tensor) => tensor.shape.filter((extent) => extent % unit !== 0)))
  return [
    `${plain.length} ${plain.length === 1 ? 'linear is' : 'linears are'} written as plain F32 weights with their quantized values: the layout packs multiples of ${unit}, and ${[...sizes].join(', ')} ${sizes.size === 1 ? 'is' : 'are'} not.`,
  ]
}

/** Of inputs that the recipe rounds and readers of the format do not. */
export function floatInputNotes({ inputModes }: Pick<ExportFacts, 'inputModes'>): string[] {
  if (inputModes.size === 0) return []
  return [
    'The recipe rounds the inputs of linears to 8 bits; readers of this format leave them in float, so results are those of the weights alone.',
  ]
}

/** Of outputs that the recipe rounds for integer kernels, in formats whose linears take 8 bits and hand on floats. */
export function floatOutputNotes({ inputModes }: Pick<ExportFacts, 'inputModes'>): string[] {
  if (![...inputModes.values()].some(isRequantized)) return []
  return [
    'The recipe rounds the outputs of linears to 8 bits as well; readers of this format hand on floats, so results are those of smoothquant-w8a8-static.',
  ]
}
