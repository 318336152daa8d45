import { GraphBuilder } from '../../formats/onnx/builder.ts'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import { isOfRuntime, type RuntimeRounding } from '../../kernels/contract/activations.ts'
import type { ModelConfig } from '../../models/model-graph.ts'
import { LinearRounding } from './activations.ts'
import { rmsNorm } from './rms-norm.ts'

export const headInputs = { hidden: 'hidden', finalNorm: 'finalNorm', rows: 'rows' } as const
export const headOutput = 'logits'

export interface HeadGraphOptions {
  /** Rounds what is normed. */
  readonly mode: RuntimeRounding
  /** Whether the backend computes in f64. */
  readonly hasDoubles: boolean
}

/** Final norm, then the logits of as many head rows as are given: [tokens, hidden] to [tokens, tile]. */
export function headGraph(config: ModelConfig, { mode, hasDoubles }: HeadGraphOptions): OnnxGraph {
  const builder = new GraphBuilder()
  const hidden = builder.input(headInputs.hidden, 'float', ['tokens', config.hidden])
  const gain = builder.input(headInputs.finalNorm, 'float', [config.hidden])
  const rows = builder.input(headInputs.rows, 'float', ['tile', config.hidden])
  const normed = rmsNorm(builder, hidden, gain, { epsilon: config.normEps, isPrecise: hasDoubles && isOfRuntime(mode) })
  const input = new LinearRounding(builder, { [headInputs.rows]: mode }).input(normed, headInputs.rows, config.hidden)
  builder.output(builder.node('Gemm', [input, rows], { transB: { int: 1 } }), headOutput, ['tokens', 'tile'])
  return builder.build('head')
}
