import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { encodeMetadata, type GgufLayout, layoutGguf } from '../../formats/gguf/layout.ts'
import { type GgufFile, readGguf } from '../../formats/gguf/read.ts'
import type { GgufEntry } from '../../formats/gguf/types.ts'
import { writeGguf } from '../../formats/gguf/write.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { type GgmlType, ggmlBytes, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import type { GridEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { asMatrix, inPieces, readAsHalf, readHalf, rowPieces } from '../float-pieces.ts'
import { interleaveRows, separateRows } from '../gguf/head-rows.ts'
import { commonestType, importanceEntries, modelEntries, modelName, tokenizerPart } from '../gguf/metadata.ts'
import { type PlannedTensor, planTensors, unnamedRoles } from '../gguf/tensors.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import type { ExportedFile, ExportFacts, ExportSource, ExportTarget } from '../target.ts'

/** llama.cpp's container with ggml blocks. */
const gguf: ExportTarget = {
  id: 'gguf',
  title: 'GGUF',
  explanation: 'One file with tokenizer and settings inside, for llama.cpp, Ollama, LM Studio and wllama.',

  supports(facts) {
    const { encodings, checkpoint } = facts
    for (const [name, encoding] of encodings) {
      if (encoding.encoding === 'source' || encoding.encoding === 'float') continue
      if (encoding.encoding !== 'ggml') return refusal(name, encoding)
      if (!fits(checkpoint.tensors.get(name)?.shape, encoding.type)) {
        return `Rows of ${name} are not a whole number of ${encoding.type} blocks of ${ggmlTypes[encoding.type].blockSize}.`
      }
    }
    const roles = unnamedRoles(facts)
    if (roles.length > 0) return `GGUF has no names here for these parts of the model: ${roles.join(', ')}.`
    if (checkpoint.graph.config.ropeScaling.kind === 'llama3' && !checkpoint.family.gguf.writesRopeFrequencies) {
      return `llama.cpp does not scale positions as Llama 3 does in the architecture ${checkpoint.family.gguf.architecture}.`
    }
    const { metadata } = tokenizerPart(checkpoint)
    return 'refusal' in metadata ? metadata.refusal : true
  },

  notes(facts) {
    const { metadata } = tokenizerPart(facts.checkpoint)
    return [...fallbackNotes(facts), ...('refusal' in metadata ? [] : metadata.notes)]
  },

  layout: (facts) => [exportedFile(facts)],
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

function exportedFile(facts: ExportFacts): ExportedFile {
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
  const layout = layoutGguf(
    [encodeMetadata(own), encoded],
    tensors.map((tensor) => tensor.spec),
  )
  return {
    path: `${fileName(`${modelName(checkpoint)}-${recipe.id}`)}.gguf`,
    sizeBytes: layout.sizeBytes,
    write: (source, signal) =>
      writeGguf(layout, (_info, index) => {
        const tensor = tensors[index]
        if (tensor === undefined) throw new RangeError(`tensor ${index} of ${tensors.length}`)
        return tensorBytes(tensor, source, signal)
      }),
    verify: (source, written, options) => verify({ layout, tensors, entries: [...own, ...metadata.entries] }, source, written, options),
  }
}

function fileName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
}

/** Rows are handled in whole heads where they are re-ordered. */
function piecesOf(tensor: PlannedTensor, headDim: number) {
  const { rows, columns } = asMatrix(tensor.spec.shape)
  // A bias is one row of single elements; a re-ordered one is handled whole.
  return rowPieces(rows, columns, tensor.isInterleaved && tensor.spec.shape.length > 1 ? headDim : 1)
}

/** Bytes of one row, or of one element of a vector. */
function rowBytes({ spec }: PlannedTensor): number {
  return spec.shape.length > 1 ? ggmlBytes(spec.type, 1, spec.shape.at(-1) ?? 0) : ggmlTypes[spec.type].blockBytes
}

async function* tensorBytes(tensor: PlannedTensor, source: ExportSource, signal?: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { checkpoint } = source
  const { from, spec, isInterleaved } = tensor
  const order = { headDim: checkpoint.graph.config.headDim, rowBytes: rowBytes(tensor) }
  const arrange = (bytes: Uint8Array<ArrayBuffer>) => (isInterleaved ? interleaveRows(bytes, order) : bytes)
  switch (from.kind) {
    case 'computed':
      yield new Uint8Array(from.values.slice().buffer)
      return
    case 'stored': {
      const { blocks } = await readBlocks(source, from.name, signal)
      if (!isInterleaved) {
        yield* inPieces(blocks)
        return
      }
      for (const { rowStart, rowEnd } of piecesOf(tensor, order.headDim)) {
        throwIfAborted(signal)
        yield arrange(blocks.subarray(rowStart * order.rowBytes, rowEnd * order.rowBytes))
      }
      return
    }
    case 'float':
      for (const rows of piecesOf(tensor, order.headDim)) {
        throwIfAborted(signal)
        const values =
          spec.type === 'F16' ? await readHalf(source, from.name, rows, signal) : await source.readFloat(from.name, rows, signal)
        yield arrange(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      }
  }
}

async function readBlocks(source: ExportSource, name: string, signal?: AbortSignal) {
  const stored = await source.readQuantized(name, signal)
  if (stored.encoding !== 'ggml') {
    throw new StudioError('storage-fault', {
      title: 'What is stored does not fit the recipe',
      message: `${name} is stored as ${stored.encoding}, but the recipe says blocks.`,
      remedy: 'Run the recipe again, then export again.',
      details: { tensor: name },
    })
  }
  return stored
}

interface Expected {
  readonly layout: GgufLayout
  readonly tensors: readonly PlannedTensor[]
  readonly entries: readonly GgufEntry[]
}

/** Parses the written file with the strict reader, then compares all metadata and every tensor with what is stored. */
async function verify(
  expected: Expected,
  source: ExportSource,
  written: ByteSource,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<void> {
  const file = await parseBack(written, signal)
  for (const [index, entry] of expected.entries.entries()) {
    if (!sameEntry(file.metadata[index], entry)) throw proofFailed(`The setting ${entry.key}`, 'differs after reading back')
  }
  if (file.metadata.length !== expected.entries.length || file.tensors.length !== expected.tensors.length) {
    throw proofFailed('The header', 'lists other settings or tensors after reading back')
  }
  for (const [index, tensor] of expected.tensors.entries()) {
    throwIfAborted(signal)
    const info = file.tensors[index]
    const { name, type, shape } = tensor.spec
    if (info?.name !== name || info.type !== type || info.shape.join() !== shape.join()) {
      throw proofFailed(`Tensor ${name}`, 'has another name, type or shape after reading back')
    }
    await verifyTensor({ tensor, offset: info.offset, written, kernels }, source, signal)
  }
}

async function parseBack(written: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  try {
    return await readGguf(written, signal)
  } catch (error) {
    if (error instanceof StudioError && error.code === 'file-damaged')
      throw proofFailed('The header', `cannot be read back: ${error.message}`)
    throw error
  }
}

function sameEntry(found: GgufEntry | undefined, wanted: GgufEntry): boolean {
  if (found?.key !== wanted.key || found.value.type !== wanted.value.type) return false
  if (found.value.type === 'array' && wanted.value.type === 'array') {
    const { value, of } = wanted.value
    return (
      found.value.of === of && found.value.value.length === value.length && found.value.value.every((each, i) => Object.is(each, value[i]))
    )
  }
  return Object.is(found.value.value, wanted.value.value)
}

async function verifyTensor(
  item: { readonly tensor: PlannedTensor; readonly offset: number; readonly written: ByteSource; readonly kernels: Kernels },
  source: ExportSource,
  signal?: AbortSignal,
): Promise<void> {
  const { tensor, offset, written, kernels } = item
  const { spec, from, isInterleaved } = tensor
  const { columns } = asMatrix(spec.shape)
  const order = { headDim: source.checkpoint.graph.config.headDim, rowBytes: rowBytes(tensor) }
  const stored = from.kind === 'stored' ? await readBlocks(source, from.name, signal) : null
  const bytesARow = ggmlBytes(spec.type, 1, columns)
  for (const rows of piecesOf(tensor, order.headDim)) {
    throwIfAborted(signal)
    const [start, end] = [rows.rowStart * bytesARow, rows.rowEnd * bytesARow]
    const inFile = await written.read(offset + start, offset + end, signal)
    const shape = { rows: rows.rowEnd - rows.rowStart, columns }
    const blocks = isInterleaved ? separateRows(inFile, order) : inFile
    const wanted = stored?.blocks.subarray(start, end)
    // Equal blocks are equal weights.
    if (wanted !== undefined && equalBytes(blocks, wanted)) continue
    const values = await kernels.dequantizeGgml(blocks, shape, spec.type, signal)
    const expected =
      wanted === undefined
        ? await floatValues(tensor, source, rows, signal)
        : await kernels.dequantizeGgml(wanted.slice(), shape, spec.type, signal)
    proveEqual(`Tensor ${spec.name}`, values, expected, rows.rowStart * columns)
    if (wanted !== undefined) throw proofFailed(`Tensor ${spec.name}`, 'differs in bytes that change no weight')
  }
}

async function floatValues(
  { from, spec }: PlannedTensor,
  source: ExportSource,
  rows: { readonly rowStart: number; readonly rowEnd: number },
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (from.kind === 'computed') return from.values
  return spec.type === 'F16' ? readAsHalf(source, from.name, rows, signal) : source.readFloat(from.name, rows, signal)
}
