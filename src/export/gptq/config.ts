import type { ExportFacts } from '../target.ts'
import { type AffineEncoding, moduleOf, type PlannedTensor } from './plan.ts'

/** One setting of the layout, in its own terms: -1 is one group a row. */
interface Setting {
  readonly bits: number
  readonly group_size: number
  readonly sym: boolean
}

export function settingOf({ bits, group, isSymmetric }: AffineEncoding): Setting {
  return { bits, group_size: typeof group === 'number' ? group : -1, sym: isSymmetric }
}

/**
 * `quantization_config` of config.json, the same object as quantize_config.json: the setting of most weights, and under
 * `dynamic` (GPTQModel `quantization/config.py`; also read by vLLM) the modules that differ: `+:` another setting, `-:` not
 * packed. `modules_to_not_convert` names the latter for readers that know that key.
 */
export function quantizationConfig(facts: ExportFacts, tensors: readonly PlannedTensor[]): Record<string, unknown> {
  const { graph } = facts
  const packed = tensors.filter((tensor) => tensor.kind === 'packed')
  const main = commonest(packed.map((tensor) => ({ setting: settingOf(tensor.encoding), weight: elements(tensor) })))
  const dynamic: Record<string, Partial<Setting>> = {}
  const unpacked: string[] = []
  const linears = new Set(graph.blocks.flatMap((block) => block.linears.map((linear) => linear.weight)))
  if (graph.head !== null) linears.add(graph.head.name)
  for (const tensor of tensors) {
    if (!linears.has(tensor.name)) continue
    const module = moduleOf(tensor.name)
    const pattern = `^${module.replaceAll('.', String.raw`\.`)}$`
    if (tensor.kind !== 'packed') {
      unpacked.push(module)
      dynamic[`-:${pattern}`] = {}
    } else if (JSON.stringify(settingOf(tensor.encoding)) !== JSON.stringify(main)) {
      dynamic[`+:${pattern}`] = settingOf(tensor.encoding)
    }
  }
  const isHeadPacked = packed.some((tensor) => tensor.name === graph.head?.name)
  return {
    quant_method: 'gptq',
    ...main,
    desc_act: false,
    static_groups: false,
    true_sequential: true,
    damp_percent: 0.01,
    lm_head: isHeadPacked,
    checkpoint_format: 'gptq',
    format: 'gptq',
    pack_dtype: 'int32',
    ...(Object.keys(dynamic).length === 0 ? {} : { dynamic }),
    ...(unpacked.length === 0 ? {} : { modules_to_not_convert: unpacked }),
    meta: { quantizer: ['quantization-studio'], recipe: facts.recipe.id },
  }
}

/**
 * config.json of the export: the model's own with the setting inside; kernels of this layout compute in half precision. A head
 * that a transform parted from the embedding is said to be a matrix of its own.
 */
export function modelConfig(facts: ExportFacts, quantization: Record<string, unknown>): Record<string, unknown> {
  const { dtype, ...rest } = facts.checkpoint.rawConfig
  return {
    ...rest,
    ...(facts.graph.config.isTied === facts.checkpoint.graph.config.isTied ? {} : { tie_word_embeddings: facts.graph.config.isTied }),
    torch_dtype: 'float16',
    ...(dtype === undefined ? {} : { dtype: 'float16' }),
    quantization_config: quantization,
  }
}

function elements(tensor: PlannedTensor): number {
  return tensor.shape.reduce((product, extent) => product * extent, 1)
}

function commonest(settings: readonly { readonly setting: Setting; readonly weight: number }[]): Setting | undefined {
  const counts = new Map<string, { readonly setting: Setting; weight: number }>()
  for (const { setting, weight } of settings) {
    const key = JSON.stringify(setting)
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { setting, weight })
    else known.weight += weight
  }
  return [...counts.values()].sort((a, b) => b.weight - a.weight)[0]?.setting
}
