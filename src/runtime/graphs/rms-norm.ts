import type { GraphBuilder } from '../../formats/onnx/builder.ts'

const float = 1
const double = 11

/**
 * x / sqrt(mean(x^2) + epsilon) * gain over the last axis, of any shape. With `isPrecise` the squares are summed in f64, as
 * llama.cpp does: one after the other in f32, as ONNX Runtime's own operator does, they are up to 5e-7 off, which moves a code or
 * its scale over an edge where the result is rounded to 8 bits. Graphics devices have no f64.
 */
export function rmsNorm(
  builder: GraphBuilder,
  value: string,
  gain: string,
  { epsilon, isPrecise }: { readonly epsilon: number; readonly isPrecise: boolean },
): string {
  if (!isPrecise) {
    return builder.node('SimplifiedLayerNormalization', [value, gain], {
      axis: { int: -1 },
      epsilon: { float: epsilon },
      stash_type: { int: float },
    })
  }
  const wide = builder.node('Cast', [value], { to: { int: double } })
  const mean = builder.node('ReduceMean', [builder.node('Mul', [wide, wide]), builder.integers([-1])], { keepdims: { int: 1 } })
  const square = builder.node('Cast', [mean], { to: { int: float } })
  const root = builder.node('Sqrt', [builder.node('Add', [square, builder.constant(Float32Array.of(epsilon), [])])])
  return builder.node('Mul', [builder.node('Mul', [value, builder.node('Reciprocal', [root])]), gain])
}
