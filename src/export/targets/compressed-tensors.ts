import { quantizationConfig } from '../compressed-tensors/config.ts'
import { compressedForm } from '../compressed-tensors/form.ts'
import { modelFiles } from '../safetensors/model-files.ts'
import { floatOutputNotes } from '../safetensors/notes.ts'
import { type PlannedTensor, planTensors } from '../safetensors/planned-tensor.ts'
import { type FormatRules, linearsOnly, quantizedOf, wrongEncoding } from '../safetensors/refusals.ts'
import { weightFiles } from '../safetensors/weight-files.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'

/** Widths that every version packs alike and kernels exist for. */
const knownBits: readonly number[] = [4, 8]
/** Group sizes of the fast kernels (Marlin); whole rows are fast too. */
const fastGroups: readonly number[] = [32, 64, 128]

const rules: FormatRules = {
  called: 'compressed-tensors',
  holds: 'affine integers',
  instead: 'nearest-4bit-g128-sym or smoothquant-w8a8',
  packsHead: true,
  matrix(name, encoding) {
    if (encoding.encoding !== 'affine') return wrongEncoding(rules, name, encoding)
    if (knownBits.includes(encoding.bits)) return true
    return `Runtimes that read compressed-tensors know 4 and 8 bits; ${name} has ${encoding.bits}. GPTQ v2 holds 2 and 3 bits too.`
  },
}

/** What llm-compressor writes and vLLM loads: W4A16 and W8A16 packed, W8A8 as int8. */
const compressedTensors: ExportTarget = {
  id: 'compressed-tensors',
  title: 'compressed-tensors',
  explanation: 'A folder as llm-compressor writes it (W4A16, W8A16, W8A8 of SmoothQuant), for vLLM, SGLang and transformers.',

  supports(facts) {
    const support = linearsOnly(facts, rules)
    if (support !== true) return support
    const outliers = [...facts.inputModes].find(([, mode]) => mode.kind === 'int8-rows' && mode.outlierThreshold !== null)
    if (outliers !== undefined) {
      return `compressed-tensors has no columns that stay float, as the inputs of ${outliers[0]} have. Choose smoothquant-w8a8, or bitsandbytes for LLM.int8().`
    }
    if (plannedTensors(facts).some(({ kind }) => kind === 'packed')) return true
    return 'compressed-tensors wants rows of whole groups, and no quantized linear of this model has them. Choose another group size, or one scale a row.'
  },

  notes(facts) {
    const notes: string[] = []
    const plain = plannedTensors(facts).filter(({ kind }) => kind === 'plain')
    if (plain.length > 0) {
      const widths = [...new Set(plain.map(({ shape }) => shape[1] ?? 0))].join(', ')
      notes.push(
        `${plain.length} ${plain.length === 1 ? 'linear is' : 'linears are'} written as plain F32 weights with their quantized values: rows of ${widths} are not whole groups.`,
      )
    }
    const groups = quantizedOf(facts).flatMap(([, encoding]) =>
      encoding.encoding === 'affine' && typeof encoding.group === 'number' ? [encoding.group] : [],
    )
    const slow = groups.find((group) => !fastGroups.includes(group))
    if (slow !== undefined) notes.push(`Groups of ${slow} are read by few kernels; most want 32, 64, 128 or whole rows.`)
    const modes = [...facts.inputModes.values()]
    if (modes.some(({ kind }) => kind === 'int8-rows')) {
      notes.push(
        'Inputs are rounded as vLLM does (the largest of a token over 127); transformers simulates with 127.5, so results differ slightly there.',
      )
    }
    return [...notes, ...floatOutputNotes(facts)]
  },

  layout(facts) {
    const tensors = plannedTensors(facts)
    const quantization = quantizationConfig(facts, tensors)
    return [...weightFiles(facts, tensors), ...modelFiles(facts, { quantization, dtype: 'float16' })]
  },
}

export default compressedTensors

function plannedTensors(facts: ExportFacts): PlannedTensor[] {
  return planTensors(facts, (spec, encoding) =>
    encoding.encoding === 'affine' ? compressedForm(spec, encoding, facts.inputModes.get(spec.name)) : null,
  )
}
