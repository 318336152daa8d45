import { modelFiles } from '../safetensors/model-files.ts'
import { floatInputNotes, plainNotes } from '../safetensors/notes.ts'
import { type PlannedTensor, planTensors } from '../safetensors/planned-tensor.ts'
import { type FormatRules, linearsOnly, wrongEncoding } from '../safetensors/refusals.ts'
import { weightFiles } from '../safetensors/weight-files.ts'
import type { ExportFacts, ExportTarget } from '../target.ts'
import { jsonFile } from '../text-files.ts'
import { quantizationConfig, settingOf } from './config.ts'
import { type CheckpointFormat, gptqForm } from './form.ts'
import { packingUnit } from './packing.ts'

/** Bit-widths that readers of the layout know. */
const knownBits: readonly number[] = [2, 3, 4, 8]
/** Group sizes of the fast kernels (Marlin, ExLlama): whole rows count as -1. */
const fastGroups: readonly number[] = [-1, 32, 64, 128]

const rules: FormatRules = {
  called: 'The GPTQ layout',
  holds: 'affine groups',
  instead: 'nearest-4bit-g32',
  packsHead: true,
  matrix(name, encoding) {
    if (encoding.encoding !== 'affine') return wrongEncoding(rules, name, encoding)
    return knownBits.includes(encoding.bits) || `Readers of the GPTQ layout know 2, 3, 4 and 8 bits; ${name} has ${encoding.bits}.`
  },
}

/** What both versions of the layout share; they differ in how zero points are stored. */
export function gptqTarget(
  format: CheckpointFormat,
  said: Pick<ExportTarget, 'id' | 'title' | 'explanation'> & { readonly zeroPointNote: string | null },
): ExportTarget {
  const { zeroPointNote, ...names } = said
  return {
    ...names,

    supports(facts) {
      const support = linearsOnly(facts, rules)
      if (support !== true) return support
      const isAnyPackable = plannedTensors(facts, format).some(({ kind }) => kind === 'packed')
      return (
        isAnyPackable ||
        `The GPTQ layout packs sizes that are multiples of ${packingUnit}, and no quantized tensor of this model has such sizes.`
      )
    },

    notes: (facts) => [
      ...plainNotes(plannedTensors(facts, format), packingUnit),
      ...readerNotes(facts, zeroPointNote),
      ...floatInputNotes(facts),
    ],

    layout(facts) {
      const tensors = plannedTensors(facts, format)
      const quantization = quantizationConfig(facts, tensors, format)
      return [
        ...weightFiles(facts, tensors),
        jsonFile('quantize_config.json', quantization),
        ...modelFiles(facts, { quantization, dtype: 'float16' }),
      ]
    },
  }
}

function plannedTensors(facts: ExportFacts, format: CheckpointFormat): PlannedTensor[] {
  return planTensors(facts, (spec, encoding) => (encoding.encoding === 'affine' ? gptqForm(spec, encoding, format) : null))
}

/** What some readers cannot do, from the settings in use. */
function readerNotes({ encodings, graph }: ExportFacts, zeroPointNote: string | null): string[] {
  const settings = [...encodings.values()].flatMap((encoding) => (encoding.encoding === 'affine' ? [settingOf(encoding)] : []))
  const notes: string[] = []
  if (zeroPointNote !== null && settings.some((setting) => !setting.sym)) notes.push(zeroPointNote)
  const slow = settings.find((setting) => !fastGroups.includes(setting.group_size))
  if (slow !== undefined)
    notes.push(`Groups of ${slow.group_size} are read by the plain kernels only; the fast ones want 32, 64, 128 or whole rows.`)
  if (settings.some((setting) => setting.bits === 2 || setting.bits === 3)) notes.push('2 and 3 bits are read by the plain kernels only.')
  const isHeadPacked = graph.head !== null && encodings.get(graph.head.name)?.encoding === 'affine'
  if (isHeadPacked) notes.push('The head is packed too (lm_head: true), which not every reader expects.')
  if (new Set(settings.map((setting) => JSON.stringify(setting))).size > 1) {
    notes.push('Settings differ between linears, which readers take from `dynamic` in the config: GPTQModel and vLLM do.')
  }
  return notes
}
