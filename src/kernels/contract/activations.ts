/**
 * How a runtime rounds the input of a linear before it multiplies, mostly to 8 bits; here it is simulated in f32. Rows of an input
 * are tokens.
 * - `none`: floats.
 * - `int8-rows`: x becomes half-even(x * (127 / a)) * (a / 127) with a the largest |x| of the token. With `outlierThreshold` as
 *   LLM.int8() (Dettmers et al. 2022) in bitsandbytes, which first takes the f16 nearest to x: columns in which any |x| of the
 *   call reaches it stay what they were, a is taken over the values below it, and the step is `bitsandbytesShare` of it.
 * - `int8-tensor`: x becomes half-even(x / scale), clamped to -128 and 127, times `scale`, which calibration found. With
 *   `outputScale` the output of the linear, its bias included, is handed on in 8 bits as well, rounded as the integer kernels of
 *   TensorFlow Lite Micro do (`runtime/graphs/requantize.ts`).
 * - `int8-blocks`: x becomes half-even(x * (127 / a)) times a / 127, a the largest |x| of as many columns of the token, which divide
 *   the row; that scale is f32, or rounded to f16 for the product alone.
 * - `half`: x becomes the nearest f16; what f16 has no number for stays what it is.
 */
export type ActivationMode =
  | { readonly kind: 'none' }
  | { readonly kind: 'int8-rows'; readonly outlierThreshold: number | null }
  | { readonly kind: 'int8-tensor'; readonly scale: number; readonly outputScale?: number }
  | { readonly kind: 'int8-blocks'; readonly columns: number; readonly scale: 'float' | 'half' }
  | { readonly kind: 'half' }

/** What the runtime of a file does to inputs of itself, whatever the recipe: a matter of measuring, not of exports. */
export type RuntimeRounding = Extract<ActivationMode, { readonly kind: 'none' | 'int8-blocks' | 'half' }>

/** How a recipe has an input rounded that does not stay float. Fixed scales come with calibration and are NaN until then. */
export type InputRounding = Exclude<ActivationMode, RuntimeRounding>

export function isOfRecipe(mode: ActivationMode | undefined): mode is InputRounding {
  return mode?.kind === 'int8-rows' || mode?.kind === 'int8-tensor'
}

/** Whether the runtime of a file rounds so of itself. */
export function isOfRuntime(mode: ActivationMode): boolean {
  return mode.kind === 'int8-blocks' || mode.kind === 'half'
}

/** Of a linear that hands on 8 bits. */
export type RequantizedMode = Extract<ActivationMode, { readonly kind: 'int8-tensor' }> & { readonly outputScale: number }

export function isRequantized(mode: ActivationMode | undefined): mode is RequantizedMode {
  return mode?.kind === 'int8-tensor' && mode.outputScale !== undefined
}

/** Steps above 0; below there is one more. */
export const int8Levels = 127

/**
 * The step of an input in bitsandbytes' kernels for processors. They multiply whole sums by 6.200124e-5, by 2e-5 more than
 * 1 / 127^2, which its CUDA kernels have: nothing to quality, but enough to move values over the edge between two codes.
 */
export const bitsandbytesShare = int8Levels * 6.200124e-5
