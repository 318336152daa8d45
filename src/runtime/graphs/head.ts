import { GraphBuilder } from '../../formats/onnx/builder.ts'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import type { RuntimeRounding } from '../../kernels/contract/activations.ts'
import type { ModelConfig } from '../../models/model-graph.ts'
import { LinearRounding } from './activations.ts'

export const headInputs = { hidden: 'hidden', finalNorm: 'finalNorm', rows: 'rows' } as const
export const headOutput = 'logits'

/** Final norm, then the logits of as many head rows as are given: [tokens, hidden] to [tokens, tile]. `mode` rounds what is normed. */
export function headGraph(config: ModelConfig, mode: RuntimeRounding): OnnxGraph {
  const builder = new GraphBuilder()
  const hidden = builder.input(headInputs.hidden, 'float', ['tokens', config.hidden])
  const gain = builder.input(headInputs.finalNorm, 'float', [config.hidden])
  const rows = builder.input(headInputs.rows, 'float', ['tile', config.hidden])
  const normed = builder.node('SimplifiedLayerNormalization', [hidden, gain], {
    axis: { int: -1 },
    epsilon: { float: config.normEps },
    stash_type: { int: 1 },
  })
  const input = new LinearRounding(builder, { [headInputs.rows]: mode }).input(normed, headInputs.rows, config.hidden)
  builder.output(builder.node('Gemm', [input, rows], { transB: { int: 1 } }), headOutput, ['tokens', 'tile'])
  return builder.build('head')
}
