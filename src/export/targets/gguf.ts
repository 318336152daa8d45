import { StudioError } from '../../core/errors.ts'
import { encodeMetadata, layoutGguf } from '../../formats/gguf/layout.ts'
import { completeGguf, writeGguf } from '../../formats/gguf/write.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import { expectedTensors } from '../../models/tensors.ts'
import type { GridEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { commonestType, importanceEntries, modelEntries, modelName, tokenizerPart } from '../gguf/metadata.ts'
import { intoParts, partSuffix, splitEntries } from '../gguf/parts.ts'
import { tensorBytes } from '../gguf/tensor-bytes.ts'
import { type PlannedTensor, planTensors, storedAs, unnamedRoles } from '../gguf/tensors.ts'
import { verifyGguf } from '../gguf/verify.ts'
import type { ExportedFile, ExportFacts, ExportTarget } from '../target.ts'

/** llama.cpp's container with ggml blocks. */
const gguf: ExportTarget = {
  id: 'gguf',
  title: 'GGUF',
  explanation: 'One file (or parts of a chosen size) with tokenizer and settings inside, for llama.cpp, Ollama, LM Studio and wllama.',

  supports(facts) {
    const { encodings, checkpoint, graph } = facts
    const shapes = new Map(expectedTensors(graph).map(({ name, shape }) => [name, shape]))
    for (const [name, encoding] of encodings) {
      if (encoding.encoding === 'source' || encoding.encoding === 'float') continue
      if (encoding.encoding !== 'ggml') return refusal(name, encoding)
      if (!fits(shapes.get(name), encoding.type)) {
        return `Rows of ${name} are not a whole number of ${encoding.type} blocks of ${ggmlTypes[encoding.type].blockSize}.`
      }
    }
    const roles = unnamedRoles(facts)
    if (roles.length > 0) return `GGUF has no names here for these parts of the model: ${roles.join(', ')}.`
    if (graph.config.ropeScaling.kind === 'llama3' && !checkpoint.family.gguf.writesRopeFrequencies) {
      return `llama.cpp does not scale positions as Llama 3 does in the architecture ${checkpoint.family.gguf.architecture}.`
    }
    const { metadata } = tokenizerPart(checkpoint)
    return 'refusal' in metadata ? metadata.refusal : true
  },

  notes(facts) {
    const { metadata } = tokenizerPart(facts.checkpoint)
    return [...fallbackNotes(facts), ...('refusal' in metadata ? [] : metadata.notes)]
  },

  layout: exportedFiles,
}

export default gguf

function refusal(name: string, encoding: GridEncoding): string {
  if (encoding.encoding !== 'affine') {
    return `GGUF holds ggml blocks, and ${name} is in ${storage.get(encoding.encoding).describe(encoding)}. For this format take a recipe such as Q4_K.`
  }
  const grouping = typeof encoding.group === 'number' ? `in free groups of ${encoding.group}` : `with one scale a ${encoding.group}`
  const instead = encoding.bits > 4 ? 'Q8_0 or Q5_K' : 'Q4_0 or Q4_K'
  return `GGUF has no block for affine codes ${grouping}, which ${name} has: its blocks have fixed forms of 32 or 256 weights. For this format take ${instead}.`
}

function fits(shape: readonly number[] | undefined, type: GgmlType): boolean {
  return shape !== undefined && (shape.at(-1) ?? 0) % ggmlTypes[type].blockSize === 0
}

/** "2 tensors stay F16: rows of 172 are not a multiple of 32." */
function fallbackNotes(facts: ExportFacts): string[] {
  const tensors = planTensors(facts)
  const main = commonestType(tensors.filter((tensor) => tensor.spec.type !== 'F16' && tensor.spec.type !== 'F32'))
  const { blockSize } = ggmlTypes[main]
  const widths = new Map<number, number>()
  for (const { spec, from } of tensors) {
    const columns = spec.shape.at(-1) ?? 0
    if (from.kind === 'stored' && spec.type === 'F16' && columns % blockSize !== 0) widths.set(columns, (widths.get(columns) ?? 0) + 1)
  }
  return [...widths].map(
    ([columns, count]) =>
      `${count} ${count === 1 ? 'tensor stays' : 'tensors stay'} F16: rows of ${columns} are not a multiple of ${blockSize}.`,
  )
}

function exportedFiles(facts: ExportFacts): ExportedFile[] {
  const { checkpoint, recipe } = facts
  const tensors = planTensors(facts)
  const { encoded, metadata } = tokenizerPart(checkpoint)
  if (encoded === null || 'refusal' in metadata) {
    throw new StudioError('export-refused', {
      title: 'This model cannot be written as GGUF',
      message: 'refusal' in metadata ? metadata.refusal : 'Its tokenizer has no form in GGUF.',
      remedy: 'Choose another format.',
    })
  }
  const own = [...modelEntries(checkpoint, tensors), ...importanceEntries(facts)]
  const name = fileName(`${modelName(checkpoint)}-${recipe.id}`)
  const parts = intoParts(tensors, facts.options.maxFileBytes)
  return parts.map((part, index) => {
    const split = parts.length === 1 ? [] : splitEntries({ index, count: parts.length, tensors: tensors.length })
    const encodedParts = index === 0 ? [encodeMetadata([...own, ...split]), encoded] : [encodeMetadata(split)]
    const entries = index === 0 ? [...own, ...split, ...metadata.entries] : split
    const layout = layoutGguf(
      encodedParts,
      part.map(({ spec }) => spec),
    )
    const plannedAt = (at: number): PlannedTensor => {
      const tensor = part[at]
      if (tensor === undefined) throw new RangeError(`tensor ${at} of ${part.length}`)
      return tensor
    }
    return {
      path: parts.length === 1 ? `${name}.gguf` : `${name}${partSuffix(index, parts.length)}.gguf`,
      sizeBytes: layout.sizeBytes,
      inPlace: {
        offsets: new Map(
          layout.tensors.flatMap(({ offset }, at) => {
            const stored = storedAs(plannedAt(at))
            return stored === null ? [] : [[stored, offset] as const]
          }),
        ),
        rest: (source, signal) =>
          completeGguf(layout, (_info, at) => (storedAs(plannedAt(at)) === null ? tensorBytes(plannedAt(at), source, signal) : null)),
      },
      write: (source, signal) => writeGguf(layout, (_info, at) => tensorBytes(plannedAt(at), source, signal)),
      verify: (source, written, options) => verifyGguf({ tensors: part, entries }, source, written, options),
    }
  })
}

function fileName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
}
