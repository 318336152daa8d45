/**
 * How a runtime rounds the input of a linear to 8 bits before it multiplies; here it is simulated in f32. Rows of an input are
 * tokens.
 * - `none`: floats.
 * - `int8-rows`: x becomes half-even(x * (127 / a)) * (a / 127) with a the largest |x| of the token. With `outlierThreshold` as
 *   LLM.int8() (Dettmers et al. 2022): columns in which any |x| of the call reaches it stay float, and a is taken over the
 *   values below it.
 * - `int8-tensor`: x becomes half-even(x / scale), clamped to 127 on either side, times `scale`, which calibration found.
 */
export type ActivationMode =
  | { readonly kind: 'none' }
  | { readonly kind: 'int8-rows'; readonly outlierThreshold: number | null }
  | { readonly kind: 'int8-tensor'; readonly scale: number }

/** How an input that does not stay float is rounded. A fixed scale comes with calibration and is NaN until then. */
export type InputRounding = Exclude<ActivationMode, { readonly kind: 'none' }>

/** Steps on either side of 0. */
export const int8Levels = 127
