import { bytesPerElement, type FloatDType } from '../core/dtype.ts'
import type { SafetensorsEntry } from '../formats/safetensors/header.ts'
import type { ByteSource } from '../io/byte-source.ts'

/** A tensor and the file it is in. */
export type StoredTensor = SafetensorsEntry & { readonly source: ByteSource }

/** One that the studio computes with. */
export type FloatTensor = StoredTensor & { readonly dtype: FloatDType }

export function isFloatTensor(tensor: StoredTensor): tensor is FloatTensor {
  return Object.hasOwn(bytesPerElement, tensor.dtype)
}

/** Bytes of an element of a part of floats. */
export function elementBytes(part: StoredTensor): number {
  if (!isFloatTensor(part)) throw new RangeError(`${part.name} is ${part.dtype}, not floats`)
  return bytesPerElement[part.dtype]
}
