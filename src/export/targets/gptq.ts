import type { ModelGraph } from '../../models/model-graph.ts'
import { expectedTensors } from '../../models/tensors.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { modelConfig, quantizationConfig, settingOf } from '../gptq/config.ts'
import { packingUnit } from '../gptq/packing.ts'
import { isPackable, planTensors } from '../gptq/plan.ts'
import { weightFiles } from '../gptq/weight-files.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'
import { jsonFile, sharedJsonFile, textFile } from '../text-files.ts'

/** Bit-widths that readers of the layout know. */
const knownBits: readonly number[] = [2, 3, 4, 8]
/** Group sizes of the fast kernels (Marlin, ExLlama): whole rows count as -1. */
const fastGroups: readonly number[] = [-1, 32, 64, 128]

/** The layout of AutoGPTQ and GPTQModel: a folder as on the Hub. */
const gptq: ExportTarget = {
  id: 'gptq',
  title: 'GPTQ safetensors',
  explanation: 'A folder in the GPTQ layout, for transformers with GPTQModel, vLLM and ExLlama.',

  supports({ encodings, graph }) {
    const shapes = new Map(expectedTensors(graph).map(({ name, shape }) => [name, shape]))
    const quantized = [...encodings].filter(([, { encoding }]) => encoding !== 'source' && encoding !== 'float').map(([name]) => name)
    if (quantized.length === 0) return 'Nothing is quantized in this recipe; the original files already hold these weights.'
    for (const [name, encoding] of encodings) {
      if (encoding.encoding === 'source' || encoding.encoding === 'float') continue
      if (encoding.encoding !== 'affine') {
        return `The GPTQ layout holds affine groups, and ${name} is in ${storage.get(encoding.encoding).describe(encoding)}. Choose another format, or a recipe such as nearest-4bit-g32.`
      }
      if (name === graph.embedding.name) {
        return graph.head === null
          ? 'The GPTQ layout has no packed embedding, and this model uses its embedding as head. Leave both in float.'
          : 'The GPTQ layout has no packed embedding. Leave the embedding in float.'
      }
      if (!knownBits.includes(encoding.bits)) {
        return `Readers of the GPTQ layout know 2, 3, 4 and 8 bits; ${name} has ${encoding.bits}.`
      }
    }
    if (!quantized.some((name) => isPackable(shapes.get(name) ?? []))) {
      return `The GPTQ layout packs sizes that are multiples of ${packingUnit}, and no quantized tensor of this model has such sizes.`
    }
    return true
  },

  notes: (facts) => [...plainNotes(facts), ...readerNotes(facts)],

  layout(facts) {
    const tensors = planTensors(facts)
    const quantization = quantizationConfig(facts, tensors)
    const { tokenizerJson, tokenizerConfig, generationConfig, chatTemplate } = facts.checkpoint.tokenizerFiles
    const isTemplateInside = 'chat_template' in tokenizerConfig
    return [
      ...weightFiles(tensors),
      jsonFile('config.json', modelConfig(facts, quantization)),
      jsonFile('quantize_config.json', quantization),
      sharedJsonFile('tokenizer.json', tokenizerJson),
      sharedJsonFile('tokenizer_config.json', tokenizerConfig),
      ...(generationConfig === null ? [] : [sharedJsonFile('generation_config.json', generationConfig)]),
      ...(chatTemplate === null || isTemplateInside ? [] : [textFile('chat_template.jinja', chatTemplate)]),
    ]
  },
}

export default gptq

function plainNotes(facts: ExportFacts): string[] {
  const plain = planTensors(facts).filter((tensor) => tensor.kind === 'plain')
  if (plain.length === 0) return []
  const sizes = new Set(plain.flatMap((tensor) => tensor.shape.filter((extent) => extent % packingUnit !== 0)))
  return [
    `${plain.length} ${plain.length === 1 ? 'linear is' : 'linears are'} written as plain F32 weights with their quantized values: the layout packs multiples of ${packingUnit}, and ${[...sizes].join(', ')} ${sizes.size === 1 ? 'is' : 'are'} not.`,
  ]
}

/** What some readers cannot do, from the settings in use. */
function readerNotes({ encodings, graph }: ExportFacts): string[] {
  const settings = [...encodings.values()].flatMap((encoding) => (encoding.encoding === 'affine' ? [settingOf(encoding)] : []))
  const notes: string[] = []
  if (settings.some((setting) => !setting.sym)) {
    notes.push(
      'Zero points are stored minus one (checkpoint_format gptq), so a zero point of 0 wraps around. Readers that do not wrap back misread such groups; symmetric recipes have none.',
    )
  }
  const slow = settings.find((setting) => !fastGroups.includes(setting.group_size))
  if (slow !== undefined)
    notes.push(`Groups of ${slow.group_size} are read by the plain kernels only; the fast ones want 32, 64, 128 or whole rows.`)
  if (settings.some((setting) => setting.bits === 2 || setting.bits === 3)) notes.push('2 and 3 bits are read by the plain kernels only.')
  if (isHeadPacked(graph, encodings)) notes.push('The head is packed too (lm_head: true), which not every reader expects.')
  if (new Set(settings.map((setting) => JSON.stringify(setting))).size > 1) {
    notes.push('Settings differ between linears, which readers take from `dynamic` in the config: GPTQModel and vLLM do.')
  }
  return notes
}

function isHeadPacked(graph: ModelGraph, encodings: ExportFacts['encodings']): boolean {
  return graph.head !== null && encodings.get(graph.head.name)?.encoding === 'affine'
}
