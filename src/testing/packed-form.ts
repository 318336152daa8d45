import type { DecodeRows } from '../checkpoint/source-format.ts'
import type { PackedForm } from '../export/safetensors/planned-tensor.ts'
import { safetensorsLayout } from '../formats/safetensors/layout.ts'
import { memorySource } from '../io/memory-source.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'

/** Bytes of each tensor that stands for a matrix, by name. */
export function packedBytes(form: PackedForm, stored: QuantizedTensor): Map<string, Uint8Array<ArrayBuffer>> {
  return new Map(
    form.specs.map(({ name }) => {
      const pieces = [...form.pieces(name, stored)]
      const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
      let at = 0
      for (const piece of pieces) {
        whole.set(piece, at)
        at += piece.length
      }
      return [name, whole]
    }),
  )
}

/** What the format's reader makes of a packed matrix. */
export async function readBack(form: PackedForm, stored: QuantizedTensor): Promise<DecodeRows> {
  const bytes = packedBytes(form, stored)
  const layout = safetensorsLayout(form.specs)
  const file = new Uint8Array(layout.totalBytes)
  for (const { name, start } of layout.tensors) file.set(bytes.get(name) ?? new Uint8Array(), start)
  const source = memorySource('model.safetensors', file)
  const placed = new Map(layout.tensors.map((tensor) => [tensor.name, { ...tensor, end: tensor.start + tensor.sizeBytes, source }]))
  const matrix = form.open((name) => placed.get(name))
  if (matrix === null) throw new Error('the reader finds nothing')
  return matrix.load()
}
