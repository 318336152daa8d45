import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { commonest, elementsOf, linearNames, moduleOf, type PlannedTensor, unpackedModules } from '../safetensors/planned-tensor.ts'
import type { ExportFacts } from '../target.ts'
import type { CheckpointFormat } from './form.ts'

/** One setting of the layout, in its own terms: -1 is one group a row. */
interface Setting {
  readonly bits: number
  readonly group_size: number
  readonly sym: boolean
}

export function settingOf({ bits, group, isSymmetric }: TensorEncoding<'affine'>): Setting {
  return { bits, group_size: typeof group === 'number' ? group : -1, sym: isSymmetric }
}

/**
 * `quantization_config` of config.json, the same object as quantize_config.json: the setting of most weights, and under
 * `dynamic` (GPTQModel `quantization/config.py`; also read by vLLM) the modules that differ: `+:` another setting, `-:` not
 * packed. `modules_to_not_convert` names the latter for readers that know that key.
 */
export function quantizationConfig(
  facts: ExportFacts,
  tensors: readonly PlannedTensor[],
  format: CheckpointFormat,
): Record<string, unknown> {
  const { graph } = facts
  const linears = linearNames(facts)
  const settings = tensors.flatMap((tensor) => {
    const isPacked = tensor.kind === 'packed' && tensor.encoding.encoding === 'affine' && linears.has(tensor.name)
    return isPacked ? [{ name: tensor.name, value: settingOf(tensor.encoding), weight: elementsOf(tensor) }] : []
  })
  const main = commonest(settings)
  const dynamic: Record<string, Partial<Setting>> = {}
  for (const { name, value } of settings) {
    if (JSON.stringify(value) !== JSON.stringify(main)) dynamic[`+:${patternOf(moduleOf(name))}`] = value
  }
  const unpacked = unpackedModules(facts, tensors)
  for (const module of unpacked) dynamic[`-:${patternOf(module)}`] = {}
  return {
    quant_method: 'gptq',
    ...main,
    desc_act: false,
    static_groups: false,
    true_sequential: true,
    damp_percent: 0.01,
    lm_head: settings.some(({ name }) => name === graph.head?.name),
    checkpoint_format: format,
    format,
    pack_dtype: 'int32',
    ...(Object.keys(dynamic).length === 0 ? {} : { dynamic }),
    ...(unpacked.length === 0
      ? {}
      : {
          modules_to_not_convert: unpacked,
          ...packedRoles(
            settings.map(({ name }) => name),
            unpacked,
          ),
        }),
    meta: { quantizer: ['quantization-studio'], recipe: facts.recipe.id },
  }
}

/**
 * `modules_in_block_to_quantize`, from which transformers (through optimum, which knows no `dynamic`) takes the linears that are
 * packed: by their names inside a block, so only where these are the same in every block.
 */
function packedRoles(packed: readonly string[], unpacked: readonly string[]): { readonly modules_in_block_to_quantize?: string[][] } {
  const inBlock = (module: string): string[] => /\.\d+\.(.+)$/.exec(module)?.slice(1) ?? []
  const roles = new Set(packed.flatMap((name) => inBlock(moduleOf(name))))
  const isSame = !unpacked.flatMap(inBlock).some((role) => roles.has(role))
  return isSame ? { modules_in_block_to_quantize: [[...roles]] } : {}
}

function patternOf(module: string): string {
  return `^${module.replaceAll('.', String.raw`\.`)}$`
}
