import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { awqForm } from '../awq/form.ts'
import { modelFiles } from '../safetensors/model-files.ts'
import { floatInputNotes } from '../safetensors/notes.ts'
import { type PlannedTensor, planTensors, unpackedModules } from '../safetensors/planned-tensor.ts'
import { type FormatRules, linearsOnly, quantizedOf, wrongEncoding } from '../safetensors/refusals.ts'
import { weightFiles } from '../safetensors/weight-files.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'

const bits = 4
/** Group sizes that fast kernels take: whole rows count as -1. */
const fastGroups: readonly number[] = [-1, 32, 64, 128]

const rules: FormatRules = {
  called: 'The AWQ layout',
  holds: 'affine groups of 4 bits',
  instead: 'awq-4bit-g128',
  packsHead: false,
  matrix(name, encoding) {
    if (encoding.encoding !== 'affine') return wrongEncoding(rules, name, encoding)
    if (encoding.bits === bits) return true
    return `The AWQ layout holds 4 bits; ${name} has ${encoding.bits}. For this recipe take GPTQ v2 or compressed-tensors.`
  },
}

/** AutoAWQ's layout "gemm": a folder as on the Hub. It holds any affine recipe of 4 bits, AWQ's own or not. */
const awq: ExportTarget = {
  id: 'awq',
  title: 'AWQ',
  explanation: 'A folder in the AWQ layout (gemm), for vLLM, transformers and the runtimes that read AutoAWQ models.',

  supports(facts) {
    const support = linearsOnly(facts, rules)
    if (support !== true) return support
    const groups = [...new Set(quantizedOf(facts).flatMap(([, encoding]) => (encoding.encoding === 'affine' ? [groupSize(encoding)] : [])))]
    if (groups.length > 1) {
      return `The AWQ layout has one group size for all linears; this recipe has ${groups.map(inWords).join(' and ')}. GPTQ v2 holds both.`
    }
    if (plannedTensors(facts).some(({ kind }) => kind === 'packed')) return true
    return 'The AWQ layout packs linears whose outputs are a multiple of 8 and whose inputs are whole groups; none of this model are.'
  },

  notes(facts) {
    const plain = plannedTensors(facts).filter(({ kind }) => kind === 'plain')
    const notes: string[] = []
    if (plain.length > 0) {
      const sizes = [...new Set(plain.map(({ shape: [rows = 0, columns = 0] }) => `${rows} x ${columns}`))].join(', ')
      notes.push(
        `${plain.length} ${plain.length === 1 ? 'linear is' : 'linears are'} written as plain F32 weights with their quantized values: outputs must be a multiple of 8 and inputs whole groups, which ${sizes} is not.`,
      )
    }
    const group = mainGroup(facts)
    if (!fastGroups.includes(group)) notes.push(`${inWords(group)} are read by few kernels; most want groups of 128, 64 or 32.`)
    return [...notes, ...floatInputNotes(facts)]
  },

  layout(facts) {
    const tensors = plannedTensors(facts)
    const unpacked = unpackedModules(facts, tensors)
    const head = facts.graph.head === null ? ['lm_head'] : []
    const quantization = {
      quant_method: 'awq',
      bits,
      group_size: mainGroup(facts),
      zero_point: true,
      version: 'gemm',
      modules_to_not_convert: [...head, ...unpacked],
    }
    return [...weightFiles(facts, tensors), ...modelFiles(facts, { quantization, dtype: 'float16' })]
  },
}

export default awq

function plannedTensors(facts: ExportFacts): PlannedTensor[] {
  return planTensors(facts, (spec, encoding) => (encoding.encoding === 'affine' ? awqForm(spec, encoding) : null))
}

/** In the layout's terms: -1 is one group a row. */
function groupSize({ group }: TensorEncoding<'affine'>): number {
  return typeof group === 'number' ? group : -1
}

function mainGroup(facts: ExportFacts): number {
  const [first] = quantizedOf(facts).flatMap(([, encoding]) => (encoding.encoding === 'affine' ? [groupSize(encoding)] : []))
  return first ?? -1
}

function inWords(group: number): string {
  return group === -1 ? 'Whole rows' : `Groups of ${group}`
}
