/**
 * How a runtime rounds the input of a linear to 8 bits before it multiplies; here it is simulated in f32. Rows of an input are
 * tokens.
 * - `none`: floats.
 * - `int8-rows`: x becomes half-even(x * (127 / a)) * (a / 127) with a the largest |x| of the token. With `outlierThreshold` as
 *   LLM.int8() (Dettmers et al. 2022): columns in which any |x| of the call reaches it stay float, and a is taken over the
 *   values below it.
 * - `int8-tensor`: x becomes half-even(x / scale), clamped to -128 and 127, times `scale`, which calibration found. With
 *   `outputScale` the output of the linear, its bias included, is handed on in 8 bits as well, rounded as the integer kernels of
 *   TensorFlow Lite Micro do (`runtime/graphs/requantize.ts`).
 */
export type ActivationMode =
  | { readonly kind: 'none' }
  | { readonly kind: 'int8-rows'; readonly outlierThreshold: number | null }
  | { readonly kind: 'int8-tensor'; readonly scale: number; readonly outputScale?: number }

/** How an input that does not stay float is rounded. Fixed scales come with calibration and are NaN until then. */
export type InputRounding = Exclude<ActivationMode, { readonly kind: 'none' }>

/** Of a linear that hands on 8 bits. */
export type RequantizedMode = Extract<ActivationMode, { readonly kind: 'int8-tensor' }> & { readonly outputScale: number }

export function isRequantized(mode: ActivationMode | undefined): mode is RequantizedMode {
  return mode?.kind === 'int8-tensor' && mode.outputScale !== undefined
}

/** Steps above 0; below there is one more. */
export const int8Levels = 127
