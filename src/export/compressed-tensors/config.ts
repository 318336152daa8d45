import type { InputRounding } from '../../kernels/contract/activations.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { moduleOf, type PlannedTensor, unpackedModules } from '../safetensors/planned-tensor.ts'
import type { ExportFacts } from '../target.ts'
import { type PackFormat, packFormat } from './form.ts'

/** What the linears of one group of the config share. */
interface Scheme {
  readonly weights: Readonly<Record<string, unknown>>
  readonly input_activations: Readonly<Record<string, unknown>> | null
  readonly output_activations: null
}

/** `quantization_config` of config.json: linears by scheme. Its arguments forbid keys of other tools' invention. */
export function quantizationConfig(facts: ExportFacts, tensors: readonly PlannedTensor[]): Record<string, unknown> {
  const groups = new Map<string, { readonly scheme: Scheme; readonly format: PackFormat; readonly modules: string[] }>()
  for (const tensor of tensors) {
    if (tensor.kind !== 'packed' || tensor.encoding.encoding !== 'affine') continue
    const mode = facts.inputModes.get(tensor.name)
    const scheme = { weights: weightArguments(tensor.encoding), input_activations: inputArguments(mode), output_activations: null }
    const format = packFormat(mode)
    const key = JSON.stringify([scheme, format])
    const group = groups.get(key) ?? { scheme, format, modules: [] }
    group.modules.push(moduleOf(tensor.name))
    groups.set(key, group)
  }
  const formats = new Set([...groups.values()].map(({ format }) => format))
  const isMixed = formats.size > 1
  const configGroups = [...groups.values()].map(({ scheme, format, modules }, index) => [
    `group_${index}`,
    { targets: groups.size === 1 ? ['Linear'] : modules, ...scheme, ...(isMixed ? { format } : {}) },
  ])
  const head = facts.graph.head === null ? ['lm_head'] : []
  return {
    quant_method: 'compressed-tensors',
    format: isMixed ? 'mixed-precision' : ([...formats][0] ?? 'dense'),
    quantization_status: 'compressed',
    global_compression_ratio: null,
    kv_cache_scheme: null,
    ignore: [...head, ...unpackedModules(facts, tensors)],
    config_groups: Object.fromEntries(configGroups) as Record<string, unknown>,
  }
}

const common = { type: 'int', block_structure: null, actorder: null } as const

function weightArguments({ bits, group, isSymmetric }: TensorEncoding<'affine'>): Record<string, unknown> {
  return {
    ...common,
    num_bits: bits,
    symmetric: isSymmetric,
    // One scale a matrix is written for every row.
    strategy: typeof group === 'number' ? 'group' : 'channel',
    group_size: typeof group === 'number' ? group : null,
    dynamic: false,
    observer: 'minmax',
    observer_kwargs: {},
  }
}

function inputArguments(mode: InputRounding | undefined): Record<string, unknown> | null {
  if (mode === undefined) return null
  const isStatic = mode.kind === 'int8-tensor'
  return {
    ...common,
    num_bits: 8,
    symmetric: true,
    strategy: isStatic ? 'tensor' : 'token',
    group_size: null,
    dynamic: !isStatic,
    observer: isStatic ? 'minmax' : null,
    observer_kwargs: {},
  }
}
