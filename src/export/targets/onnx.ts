import type { Support } from '../../core/support.ts'
import { ropeTables } from '../../models/rope-tables.ts'
import { activationsOption, computesInHalves } from '../onnx/activations.ts'
import { bnb4Group, nbitsGroup } from '../onnx/code-groups.ts'
import { companionFiles } from '../onnx/config-files.ts'
import { dataFiles, layoutData } from '../onnx/data-files.ts'
import { decoderGraph } from '../onnx/decoder-graph.ts'
import { ropeNames } from '../onnx/decoder-names.ts'
import { fileFacts } from '../onnx/file-name.ts'
import { floatGroup, ropeGroup } from '../onnx/float-group.ts'
import { floatVectors } from '../onnx/float-vectors.ts'
import { modelFile } from '../onnx/model-file.ts'
import { notes } from '../onnx/notes.ts'
import { type FloatType, type PlannedMatrix, planMatrices } from '../onnx/plan.ts'
import type { WeightGroup } from '../onnx/weight-groups.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'

/** A decoder in ONNX Runtime's quantized operators, in the folder layout of transformers.js and onnxruntime-genai. */
const onnx: ExportTarget = {
  id: 'onnx',
  title: 'ONNX',
  explanation: 'A folder for transformers.js in the browser and in Node, ONNX Runtime and onnxruntime-genai.',
  options: [activationsOption],

  supports(facts) {
    const planned = planMatrices(facts)
    if ('refusal' in planned) return planned.refusal
    return floatsOf(facts) === 'float' ? true : supportsHalves(facts, planned)
  },

  notes(facts) {
    const planned = planMatrices(facts)
    return 'refusal' in planned ? [] : notes(facts, planned)
  },

  layout(facts) {
    const matrices = planMatrices(facts)
    if ('refusal' in matrices) throw new RangeError(matrices.refusal)
    const { checkpoint, options } = facts
    const { graph } = facts
    const name = fileFacts(facts, matrices)
    if (name === null) throw new RangeError('there is no such file')
    const file = `model${name.suffix}.onnx`
    const floats = floatsOf(facts)
    const data = layoutData(file, weightGroups(facts, matrices), options.maxFileBytes)
    const model = decoderGraph({ graph, matrices, weights: data.weights, floats })
    return [
      modelFile(`onnx/${file}`, model),
      ...dataFiles(data, 'onnx/'),
      ...companionFiles(checkpoint, { modelPath: `onnx/${file}`, dtype: name.dtype, dataFiles: data.files.length, findsPositions: true }),
    ]
  },
}

export default onnx

/** Every runtime computes in f32; halves need a graphics card that has them. */
function floatsOf({ options }: ExportFacts): FloatType {
  return computesInHalves(options) ? 'float16' : 'float'
}

/** Scales must be halves already: then what the file holds is what was measured. */
function supportsHalves(facts: ExportFacts, matrices: ReadonlyMap<string, PlannedMatrix>): Support {
  for (const { name, form } of matrices.values()) {
    if (form === 'bnb4' || facts.encodings.get(name)?.encoding === 'int8-rows') {
      return `With activations in f16 scales are halves too, and those of ${name} are f32. Leave activations in f32.`
    }
  }
  return fileFacts(facts, matrices) === null
    ? 'transformers.js has no name for a file of 8-bit weights with activations in f16. Leave activations in f32.'
    : true
}

/** In the order of execution, vectors before the matrices. */
function weightGroups(facts: ExportFacts, matrices: ReadonlyMap<string, PlannedMatrix>): WeightGroup[] {
  const { graph } = facts
  const floats = floatsOf(facts)
  const { config, embedding, head } = graph
  const rope = ropeGroup(ropeNames, [config.positions, config.headDim / 2], () => ropeTables(config, config.positions), floats)
  const vectors = floatVectors(graph).map(({ name, shape }) => floatGroup(name, shape, floats))
  const planned = [...matrices.values()].map((matrix) => {
    switch (matrix.form) {
      case 'float':
        return floatGroup(matrix.name, [matrix.rows, matrix.columns], floats)
      case 'nbits':
        return nbitsGroup(matrix, floats, matrix.name === embedding.name && head !== null ? 'rows' : 'blocks')
      case 'bnb4':
        return bnb4Group(matrix, floats)
    }
  })
  return [rope, ...vectors, ...planned]
}
