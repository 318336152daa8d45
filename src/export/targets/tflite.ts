import { largestTfliteBytes, layoutTflite, type TfliteLayout } from '../../formats/tflite/layout.ts'
import { memorySource } from '../../io/memory-source.ts'
import { isRequantized } from '../../kernels/contract/activations.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { matricesOf } from '../../quantization/resolve.ts'
import { int8Run } from '../int8-codes.ts'
import { proofFailed } from '../proof.ts'
import type { ExportedFile, ExportFacts, ExportTarget } from '../target.ts'
import { textFile } from '../text-files.ts'
import { dataHeader, dataSource, dataSourceBytes, parseDataSource, settingsHeader } from '../tflite/c-sources.ts'
import { tfliteBytes } from '../tflite/constants.ts'
import { decoderGraph, graphTokens } from '../tflite/decoder.ts'
import type { BuiltGraph } from '../tflite/graph-builder.ts'
import { verifyTflite } from '../tflite/verify.ts'

/** Larger models are not written as C sources as well: flash of microcontrollers ends before. */
const largestSource = 8 * 2 ** 20

/** A TensorFlow Lite graph of fixed length, of operators that TensorFlow Lite Micro has. */
const tflite: ExportTarget = {
  id: 'tflite',
  title: 'TensorFlow Lite',
  explanation: 'A graph with int8 weights for LiteRT and, with its C sources, for TensorFlow Lite Micro on small devices.',

  supports(facts) {
    let isQuantized = false
    for (const { name, columns } of matricesOf(facts.graph)) {
      const encoding = facts.encodings.get(name)
      if (encoding === undefined || encoding.encoding === 'source' || encoding.encoding === 'float') continue
      isQuantized = true
      const run = int8Run(encoding, columns)
      if (run === null) {
        return `The TensorFlow Lite file holds whole numbers of 8 bits times a scale, and ${name} is in ${storage.get(encoding.encoding).describe(encoding)}. Take Q8_0 or nearest-8bit-channel-sym.`
      }
      if (columns % run !== 0) return `Rows of ${name} are not a whole number of groups of ${run}. Take one scale a row.`
    }
    if (!isQuantized) return 'Nothing is quantized in this recipe; the original files already hold these weights.'
    const shared = withSharedRows(facts)
    if (shared !== null) {
      return `Kernels that hand on 8 bits have one scale for each row of their weights, and ${shared} has none. Take smoothquant-w8a8-integer, or smoothquant-static on this grid.`
    }
    if ([...facts.inputModes.values()].some(({ kind }) => kind === 'int8-rows')) {
      return 'This recipe rounds inputs token by token, for which TensorFlow Lite Micro has no operators. Take one static scale (smoothquant-w8a8-static), or float inputs.'
    }
    const { parameters } = facts.checkpoint
    return parameters < largestTfliteBytes || `A TensorFlow Lite file ends at 2 GB, and this model has ${parameters} weights.`
  },

  notes(facts) {
    const tokens = graphTokens(facts)
    return [
      `The graph reads ${tokens} tokens at a time, whole, and keeps no state between calls; for a microcontroller as the device it is shorter. ${arithmeticOf(facts)}`,
      ...floatNotes(facts),
      ...sourceNotes(facts),
    ]
  },

  layout(facts) {
    const model = modelOf(facts)
    const settings = textFile('model_settings.h', settingsHeader(model.graph))
    if (model.layout.sizeBytes > largestSource) return [modelFile(model), settings]
    return [modelFile(model), settings, textFile('model_data.h', dataHeader), sourceFile(model)]
  },
}

export default tflite

/** A linear whose output is in 8 bits and whose rows have no scale of their own. */
function withSharedRows({ graph, encodings, inputModes }: ExportFacts): string | null {
  const found = graph.blocks
    .flatMap(({ linears }) => linears)
    .find(({ weight, inFeatures }) => {
      const encoding = encodings.get(weight)
      return isRequantized(inputModes.get(weight)) && (encoding === undefined || int8Run(encoding, inFeatures) !== inFeatures)
    })
  return found?.weight ?? null
}

function arithmeticOf({ inputModes }: ExportFacts): string {
  return [...inputModes.values()].some(isRequantized)
    ? 'Linears of the blocks are 8-bit integers in and out (ESP-NN and CMSIS-NN have fast kernels for them); norms, attention and the head are floats.'
    : 'Activations are floats; smoothquant-w8a8-integer has its linears in 8-bit integers in and out, for which microcontrollers have fast kernels.'
}

function floatNotes({ graph, encodings }: ExportFacts): string[] {
  const isFloat = !encodings.has(graph.embedding.name)
  return isFloat
    ? ['The embedding stays float in this recipe, which is a large part of a small model; put it on the grid for a smaller file.']
    : []
}

function sourceNotes(facts: ExportFacts): string[] {
  const { sizeBytes } = modelOf(facts).layout
  return sizeBytes <= largestSource ? [] : [`model_data.cc is left out: the model is larger than ${largestSource / 2 ** 20} MiB.`]
}

interface Model {
  readonly graph: BuiltGraph
  readonly layout: TfliteLayout
}

const models = new WeakMap<ExportFacts, Model>()

/** Made once: a layout and the notes beside it ask for the same. */
function modelOf(facts: ExportFacts): Model {
  const known = models.get(facts)
  if (known !== undefined) return known
  const graph = decoderGraph(facts)
  const model = { graph, layout: layoutTflite(graph) }
  models.set(facts, model)
  return model
}

function modelFile(model: Model): ExportedFile {
  return {
    path: 'model.tflite',
    sizeBytes: model.layout.sizeBytes,
    write: (source, signal) => tfliteBytes(model.layout, model.graph.sources, source, signal),
    verify: (source, written, options) => verifyTflite(model, source, written, options),
  }
}

/** The model once more as an array in C, for devices without files. */
function sourceFile(model: Model): ExportedFile {
  const { sizeBytes } = model.layout
  return {
    path: 'model_data.cc',
    sizeBytes: dataSourceBytes(sizeBytes),
    isCopy: true,
    write: (source, signal) => dataSource(tfliteBytes(model.layout, model.graph.sources, source, signal), sizeBytes),
    async verify(source, written, options) {
      const bytes = parseDataSource(await written.read(0, written.sizeBytes, options.signal), sizeBytes)
      if (bytes === null) throw proofFailed('The array', 'cannot be read back')
      await verifyTflite(model, source, memorySource('model_data.cc', bytes), options)
    },
  }
}
