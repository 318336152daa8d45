import { alignUp, defaultAlignment, type GgufEntry, tensorBytes } from '../../formats/gguf/types.ts'
import type { PlannedTensor } from './tensors.ts'

/**
 * Parts in the order of the file, cut at tensors so that the data of none passes `maxBytes`; a larger tensor has a part of its own.
 * llama.cpp finds them by the name of the first (`llama-gguf-split`).
 */
export function intoParts(tensors: readonly PlannedTensor[], maxBytes: number | null): PlannedTensor[][] {
  const parts: PlannedTensor[][] = [[]]
  let size = 0
  for (const tensor of tensors) {
    const bytes = alignUp(tensorBytes(tensor.spec), defaultAlignment)
    if (maxBytes !== null && size > 0 && size + bytes > maxBytes) {
      parts.push([])
      size = 0
    }
    parts.at(-1)?.push(tensor)
    size += bytes
  }
  return parts
}

/** What llama.cpp's loader asks of every part (`llama_model_loader`): its number from 0, how many, and the tensors of all. */
export function splitEntries({
  index,
  count,
  tensors,
}: {
  readonly index: number
  readonly count: number
  readonly tensors: number
}): GgufEntry[] {
  return [
    { key: 'split.no', value: { type: 'u16', value: index } },
    { key: 'split.count', value: { type: 'u16', value: count } },
    { key: 'split.tensors.count', value: { type: 'i32', value: tensors } },
  ]
}

/** `-00001-of-00003`: numbers from 1, in the form that the loader makes the other names from. */
export function partSuffix(index: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0')
  return `-${digits(index + 1)}-of-${digits(count)}`
}
