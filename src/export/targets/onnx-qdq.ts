import { LineMemory } from '../../kernels/transpose/line-memory.ts'
import { ropeTables } from '../../models/rope-tables.ts'
import { companionFiles } from '../onnx/config-files.ts'
import { dataFiles, layoutData } from '../onnx/data-files.ts'
import { ropeNames } from '../onnx/decoder-names.ts'
import { floatGroup, ropeGroup } from '../onnx/float-group.ts'
import { floatVectors } from '../onnx/float-vectors.ts'
import { modelFile } from '../onnx/model-file.ts'
import { plainDecoder } from '../onnx/plain-decoder.ts'
import { qdqGroup } from '../onnx/qdq-group.ts'
import { planQdq, type QdqMatrix } from '../onnx/qdq-plan.ts'
import { calibrationCache } from '../onnx/tensorrt-cache.ts'
import type { WeightGroup } from '../onnx/weight-groups.ts'
import { floatOutputNotes } from '../safetensors/notes.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'
import { textFile } from '../text-files.ts'

const file = 'model_int8.onnx'

/** A decoder in plain operators with weights and inputs in 8 bits, for integer hardware. */
const onnxQdq: ExportTarget = {
  id: 'onnx-qdq',
  title: 'ONNX int8 (QDQ)',
  explanation: 'A folder with weights and inputs in 8 bits, for TensorRT on Jetson and other integer hardware, and for ONNX Runtime.',

  supports(facts) {
    const planned = planQdq(facts)
    return 'refusal' in planned ? planned.refusal : true
  },

  notes(facts) {
    const planned = planQdq(facts)
    if ('refusal' in planned) return []
    const floating = [...planned.values()].filter(({ inputScale }) => inputScale === null).length
    return [
      'calibration.cache is for TensorRT without these QuantizeLinear operators; its first line names version 8.6.2, which must be the reader’s.',
      'ONNX Runtime on x86 processors without VNNI clips sums of 8-bit products: there set its session option session.disable_quant_qdq to "1" (exact, in floats).',
      ...(floating === 0 ? [] : [`Inputs of ${floating} linears stay float: calibration found no scale for them.`]),
      ...floatOutputNotes(facts),
    ]
  },

  layout(facts) {
    const matrices = planQdq(facts)
    if ('refusal' in matrices) throw new RangeError(matrices.refusal)
    const { checkpoint, options } = facts
    const data = layoutData(file, weightGroups(facts, matrices), options.maxFileBytes)
    const graph = plainDecoder({ graph: facts.graph, matrices, weights: data.weights })
    return [
      modelFile(`onnx/${file}`, graph),
      ...dataFiles(data, 'onnx/'),
      textFile('calibration.cache', calibrationCache(graph)),
      ...companionFiles(checkpoint, { modelPath: `onnx/${file}`, dtype: 'int8', dataFiles: data.files.length, findsPositions: false }),
    ]
  },
}

export default onnxQdq

function weightGroups({ graph }: ExportFacts, matrices: ReadonlyMap<string, QdqMatrix>): WeightGroup[] {
  const { config, embedding, head, blocks } = graph
  const rope = ropeGroup(ropeNames, [config.positions, config.headDim / 2], () => ropeTables(config, config.positions), 'float')
  const vectors = floatVectors(graph).map(({ name, shape }) => floatGroup(name, shape, 'float'))
  const outer = (head === null ? [embedding] : [embedding, head]).map(({ name, shape }) => floatGroup(name, shape, 'float'))
  const lineMemory = new LineMemory()
  const linears = blocks.flatMap((block) =>
    block.linears.map(({ weight, outFeatures, inFeatures }) => {
      const matrix = matrices.get(weight)
      return matrix === undefined ? floatGroup(weight, [outFeatures, inFeatures], 'float') : qdqGroup(matrix, lineMemory)
    }),
  )
  return [rope, ...vectors, ...outer, ...linears]
}
