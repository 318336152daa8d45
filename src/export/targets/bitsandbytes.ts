import { expectedTensors } from '../../models/tensors.ts'
import { codeBookForm, int8Form } from '../bitsandbytes/forms.ts'
import { modelFiles } from '../safetensors/model-files.ts'
import { floatInputNotes } from '../safetensors/notes.ts'
import { commonest, elementsOf, type PlannedTensor, planTensors, unpackedModules } from '../safetensors/planned-tensor.ts'
import { type FormatRules, linearsOnly, quantizedOf, wrongEncoding } from '../safetensors/refusals.ts'
import { weightFiles } from '../safetensors/weight-files.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'

/** Outliers begin here unless the recipe says otherwise (`llm_int8_threshold`). */
const usualThreshold = 6

const rules: FormatRules = {
  called: 'bitsandbytes',
  holds: 'NF4, FP4 and int8 rows',
  instead: 'nf4, nf4-double or llm-int8',
  packsHead: false,
  matrix(name, encoding) {
    if (encoding.encoding === 'int8-rows') return true
    return (encoding.encoding === 'codebook' && encoding.book !== 'log2') || wrongEncoding(rules, name, encoding)
  },
}

/** A folder that transformers opens with bitsandbytes: `Linear4bit` and `Linear8bitLt` state dicts. */
const bitsandbytes: ExportTarget = {
  id: 'bitsandbytes',
  title: 'bitsandbytes',
  explanation: 'A folder with NF4, FP4 or int8 weights already packed, for transformers with bitsandbytes (also to fine-tune: QLoRA).',

  supports(facts) {
    const support = linearsOnly(facts, rules)
    if (support !== true) return support
    const kinds = new Set(quantizedOf(facts).map(([, encoding]) => (encoding.encoding === 'codebook' ? encoding.book : encoding.encoding)))
    if (kinds.size === 1) return true
    return `A folder for bitsandbytes holds one kind of codes; this recipe has ${[...kinds].join(' and ')}. Give all linears one grid.`
  },

  notes(facts) {
    if (!isInt8(facts)) return [...cutRowNotes(facts), ...floatInputNotes(facts)]
    if (facts.inputModes.size > 0) return []
    return [
      'bitsandbytes rounds the inputs of int8 linears to 8 bits too, which this recipe did not measure; the recipe llm-int8 does what it does.',
    ]
  },

  layout(facts) {
    const tensors = plannedTensors(facts)
    const quantization = { quant_method: 'bitsandbytes', ...(isInt8(facts) ? int8Config(facts) : codeBookConfig(tensors)) }
    const skipped = ['lm_head', ...unpackedModules(facts, tensors).filter((module) => module !== 'lm_head')]
    return [
      ...weightFiles(facts, tensors),
      ...modelFiles(facts, { quantization: { ...quantization, llm_int8_skip_modules: skipped }, dtype: null }),
    ]
  },
}

export default bitsandbytes

function plannedTensors(facts: ExportFacts): PlannedTensor[] {
  return planTensors(facts, (spec, encoding) => {
    if (encoding.encoding === 'codebook') return codeBookForm(spec, encoding)
    return encoding.encoding === 'int8-rows' ? int8Form(spec) : null
  })
}

function isInt8(facts: ExportFacts): boolean {
  return quantizedOf(facts).some(([, { encoding }]) => encoding === 'int8-rows')
}

/**
 * Blocks run over the flattened matrix. bitsandbytes' kernel for processors counts them row by row (0.50.2) and misreads matrices
 * whose rows are no whole number of blocks; its kernels for graphics cards and its plain torch code do not.
 */
function cutRowNotes(facts: ExportFacts): string[] {
  const shapes = new Map(expectedTensors(facts.graph).map(({ name, shape }) => [name, shape]))
  const cut = quantizedOf(facts).flatMap(([name, encoding]) => {
    const columns = shapes.get(name)?.[1] ?? 0
    return encoding.encoding === 'codebook' && columns % encoding.blockSize !== 0 ? [{ columns, blockSize: encoding.blockSize }] : []
  })
  const [first] = cut
  if (first === undefined) return []
  return [
    `Rows of ${first.columns} are no whole number of blocks of ${first.blockSize}: bitsandbytes on a graphics card reads them, its processor kernel (0.50) does not.`,
  ]
}

/** Keys of transformers' `BitsAndBytesConfig`. */
function int8Config({ inputModes }: ExportFacts): Record<string, unknown> {
  const [mode] = inputModes.values()
  // 0 has no outliers: every input column is rounded.
  const threshold = mode === undefined ? usualThreshold : mode.kind === 'int8-rows' ? (mode.outlierThreshold ?? 0) : 0
  return {
    _load_in_4bit: false,
    _load_in_8bit: true,
    load_in_4bit: false,
    load_in_8bit: true,
    llm_int8_threshold: threshold,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
  }
}

function codeBookConfig(tensors: readonly PlannedTensor[]): Record<string, unknown> {
  const main = commonest(
    tensors.flatMap((tensor) =>
      tensor.kind === 'packed' && tensor.encoding.encoding === 'codebook' ? [{ value: tensor.encoding, weight: elementsOf(tensor) }] : [],
    ),
  )
  return {
    _load_in_4bit: true,
    _load_in_8bit: false,
    load_in_4bit: true,
    load_in_8bit: false,
    llm_int8_threshold: usualThreshold,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    bnb_4bit_quant_type: main?.book,
    bnb_4bit_use_double_quant: main?.isNested,
    bnb_4bit_compute_dtype: 'bfloat16',
    bnb_4bit_quant_storage: 'uint8',
  }
}
