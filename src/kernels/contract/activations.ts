/**
 * How a runtime rounds the inputs of a block's linears to 8 bits before it multiplies; here it is simulated in f32. Rows of an
 * input are tokens; x is rounded to s * half-even(x / s), clamped to 127 steps on either side.
 * - `none`: floats.
 * - `int8-rows`: s = largest |x| of the token / 127. With `outlierThreshold` as LLM.int8() (Dettmers et al. 2022): columns in
 *   which any |x| of the batch reaches it stay float, and a token's largest |x| is taken over the values below it.
 * - `int8-tensor`: one s for each tap, from calibration, for every token.
 */
export type ActivationMode =
  | { readonly kind: 'none' }
  | { readonly kind: 'int8-rows'; readonly outlierThreshold: number | null }
  | { readonly kind: 'int8-tensor' }
