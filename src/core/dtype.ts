/** Element types a source checkpoint may have (safetensors names). */
export type FloatDType = 'F32' | 'F16' | 'BF16'

export const bytesPerElement: Readonly<Record<FloatDType, number>> = { F32: 4, F16: 2, BF16: 2 }
