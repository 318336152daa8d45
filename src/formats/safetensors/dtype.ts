/** Bits of an element, every dtype of safetensors 0.6 (`safetensors/src/tensor.rs`, `Dtype::bitsize`). */
const bits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const

export type SafetensorsDType = keyof typeof bits

export function isSafetensorsDType(value: unknown): value is SafetensorsDType {
  return typeof value === 'string' && Object.hasOwn(bits, value)
}

export function bitsPerElement(dtype: SafetensorsDType): number {
  return bits[dtype]
}

/** Bytes of a tensor, or `null` when they are not a whole number or too many to address. */
export function tensorBytes(dtype: SafetensorsDType, shape: readonly number[]): number | null {
  const size = (shape.reduce((product, extent) => product * extent, 1) * bits[dtype]) / 8
  return Number.isSafeInteger(size) ? size : null
}
