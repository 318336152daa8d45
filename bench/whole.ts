import { openCheckpoint } from '../src/checkpoint/open.ts'
import { equalBytes } from '../src/core/equal-bytes.ts'
import { rowPieces } from '../src/export/float-pieces.ts'
import { interleaveRows } from '../src/export/gguf/head-rows.ts'
import { modelEntries, tokenizerPart } from '../src/export/gguf/metadata.ts'
import { planTensors } from '../src/export/gguf/tensors.ts'
import { defaultExportOptions } from '../src/export/options.ts'
import { encodeMetadata, layoutGguf } from '../src/formats/gguf/layout.ts'
import { readGguf } from '../src/formats/gguf/read.ts'
import { writeGguf } from '../src/formats/gguf/write.ts'
import { nodeFileSource, nodeFolderFiles } from '../src/headless/node-source.ts'
import { nodeFileSink } from '../src/headless/node-store.ts'
import { parseRecipe } from '../src/quantization/parse-recipe.ts'

/** Bytes of a tensor that are compared at a time. */
const compareBytes = 16 * 2 ** 20

/** Writes a checkpoint as GGUF in F32: what llama.cpp's converter gives llama-quantize (`--outtype f32`). */
export async function writeFloatGguf(folder: string, path: string): Promise<void> {
  const files = await nodeFolderFiles(folder)
  const checkpoint = await openCheckpoint({ name: 'whole', originKind: 'files', files }, new AbortController().signal)
  const planned = planTensors({
    checkpoint,
    recipe: parseRecipe('F16'),
    options: defaultExportOptions,
    encodings: new Map(),
    inputModes: new Map(),
    importance: null,
  })
  const tensors = planned.map((tensor) => ({ ...tensor, spec: { ...tensor.spec, type: 'F32' as const } }))
  const { encoded } = tokenizerPart(checkpoint)
  if (encoded === null) throw new Error('this tokenizer has no form in GGUF')
  const layout = layoutGguf(
    [encodeMetadata(modelEntries(checkpoint, tensors)), encoded],
    tensors.map(({ spec }) => spec),
  )
  const { headDim } = checkpoint.graph.config
  const sink = await nodeFileSink(path, { isDurable: false })
  const pieces = writeGguf(layout, async function* bytesOf(_info, index) {
    const tensor = tensors[index]
    if (tensor === undefined || tensor.from.kind === 'computed') throw new Error('a tensor that is not in the checkpoint')
    const columns = tensor.spec.shape.at(-1) ?? 1
    const rows = tensor.spec.shape.length > 1 ? (tensor.spec.shape[0] ?? 1) : 1
    for (const range of rowPieces(rows, columns, tensor.isInterleaved ? headDim : 1)) {
      const { buffer, byteOffset, byteLength } = await checkpoint.readFloat(tensor.from.name, range)
      const bytes = new Uint8Array(buffer, byteOffset, byteLength)
      yield tensor.isInterleaved ? interleaveRows(bytes, { headDim, rowBytes: 4 * columns }) : bytes
    }
  })
  for await (const piece of pieces) await sink.write(piece)
  await sink.close()
}

/** How many tensors of `wanted` are in `made` with the same type, shape and bytes, and the names of those that are not. */
export async function compareGguf(
  made: string,
  wanted: string,
): Promise<{ readonly equal: number; readonly different: readonly string[] }> {
  const [left, right] = await Promise.all([nodeFileSource(made), nodeFileSource(wanted)])
  const [mine, theirs] = await Promise.all([readGguf(left), readGguf(right)])
  const byName = new Map(mine.tensors.map((tensor) => [tensor.name, tensor]))
  const different: string[] = []
  for (const { name, type, shape, offset, sizeBytes } of theirs.tensors) {
    const tensor = byName.get(name)
    let isEqual = tensor?.type === type && tensor.shape.join() === shape.join() && tensor.sizeBytes === sizeBytes
    for (let start = 0; isEqual && tensor !== undefined && start < sizeBytes; start += compareBytes) {
      const end = Math.min(sizeBytes, start + compareBytes)
      isEqual = equalBytes(await left.read(tensor.offset + start, tensor.offset + end), await right.read(offset + start, offset + end))
    }
    if (!isEqual) different.push(`${name} (${tensor?.type ?? 'absent'}, ${type})`)
  }
  if (mine.tensors.length > theirs.tensors.length) different.push(`${mine.tensors.length - theirs.tensors.length} more`)
  return { equal: theirs.tensors.length - different.length, different }
}
