import type { DecodeRows } from '../checkpoint/source-format.ts'
import { partPieces } from '../export/matrix-parts.ts'
import type { PackedForm } from '../export/safetensors/planned-tensor.ts'
import { storedTiles } from '../export/stored-tiles.ts'
import { safetensorsLayout } from '../formats/safetensors/layout.ts'
import { memorySource } from '../io/memory-source.ts'
import { LineMemory } from '../kernels/transpose/line-memory.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { tilesOf } from './export-source.ts'

/** Bytes of each tensor that stands for a matrix, by name. */
export async function packedBytes(
  form: PackedForm,
  stored: QuantizedTensor,
  bandBytes?: number,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const memory = { lineMemory: new LineMemory(), ...(bandBytes === undefined ? {} : { bandBytes }) }
  const tiles = () => storedTiles({ readTiles: () => tilesOf(stored) }, { name: stored.name, encoding: stored.encoding, unit: form.unit })
  const packed = new Map<string, Uint8Array<ArrayBuffer>>()
  for (const { name } of form.specs) {
    const part = form.parts.get(name)
    if (part === undefined) throw new Error(`no part ${name}`)
    const pieces: Uint8Array<ArrayBuffer>[] = []
    for await (const piece of partPieces([part], tiles, memory)) pieces.push(piece.slice())
    packed.set(name, joinBytes(pieces))
  }
  return packed
}

/** What the format's reader makes of a packed matrix. */
export async function readBack(form: PackedForm, stored: QuantizedTensor): Promise<DecodeRows> {
  const bytes = await packedBytes(form, stored)
  const layout = safetensorsLayout(form.specs)
  const file = new Uint8Array(layout.totalBytes)
  for (const { name, start } of layout.tensors) file.set(bytes.get(name) ?? new Uint8Array(), start)
  const source = memorySource('model.safetensors', file)
  const placed = new Map(layout.tensors.map((tensor) => [tensor.name, { ...tensor, end: tensor.start + tensor.sizeBytes, source }]))
  const matrix = form.open((name) => placed.get(name))
  if (matrix === null) throw new Error('the reader finds nothing')
  return (await matrix.load()).values
}
