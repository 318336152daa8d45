import { encodeMetadata, layoutGguf } from '../gguf/layout.ts'
import { writeGguf } from '../gguf/write.ts'
import type { ImatrixFormat, MeasuredImatrix } from './imatrix.ts'

/** The whole file: a few megabytes for any model. Layouts: llama.cpp `tools/imatrix/imatrix.cpp`. */
export function writeImatrix(imatrix: MeasuredImatrix, format: ImatrixFormat): Promise<Uint8Array<ArrayBuffer>> {
  return format === 'gguf' ? writeAsGguf(imatrix) : Promise.resolve(writeAsDat(imatrix))
}

/** Sums and counts as F32 tensors, in the order of names as llama.cpp's map gives them. */
async function writeAsGguf({ dataset, chunks, chunkSize, entries }: MeasuredImatrix): Promise<Uint8Array<ArrayBuffer>> {
  const metadata = encodeMetadata([
    { key: 'general.type', value: { type: 'string', value: 'imatrix' } },
    { key: 'imatrix.datasets', value: { type: 'array', of: 'string', value: [dataset] } },
    { key: 'imatrix.chunk_count', value: { type: 'u32', value: chunks } },
    { key: 'imatrix.chunk_size', value: { type: 'u32', value: chunkSize } },
  ])
  const tensors = byName(entries).flatMap(({ name, sums, tokens }) => [
    { spec: { name: `${name}.in_sum2`, type: 'F32' as const, shape: [1, sums.length] }, values: sums },
    { spec: { name: `${name}.counts`, type: 'F32' as const, shape: [1, 1] }, values: Float32Array.of(tokens) },
  ])
  const layout = layoutGguf(
    [metadata],
    tensors.map(({ spec }) => spec),
  )
  const file = new Uint8Array(layout.sizeBytes)
  let at = 0
  const pieces = writeGguf(layout, async function* (_info, index) {
    yield new Uint8Array((tensors[index]?.values ?? new Float32Array(0)).slice().buffer)
  })
  for await (const piece of pieces) {
    file.set(piece, at)
    at += piece.length
  }
  return file
}

/** The older format: means times the number of chunks, which readers divide by. */
function writeAsDat({ dataset, chunks, entries }: MeasuredImatrix): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder()
  const named = byName(entries).map((entry) => ({ ...entry, label: encoder.encode(entry.name) }))
  const origin = encoder.encode(dataset)
  const sizeBytes = named.reduce((sum, { label, sums }) => sum + 12 + label.length + 4 * sums.length, 4) + 8 + origin.length
  const file = new Uint8Array(sizeBytes)
  const view = new DataView(file.buffer)
  let at = 0
  const integer = (value: number): void => {
    view.setInt32(at, value, true)
    at += 4
  }
  const text = (bytes: Uint8Array): void => {
    integer(bytes.length)
    file.set(bytes, at)
    at += bytes.length
  }
  integer(named.length)
  for (const { label, sums, tokens } of named) {
    text(label)
    integer(chunks)
    integer(sums.length)
    for (const sum of sums) {
      view.setFloat32(at, Math.fround(sum / tokens) * chunks, true)
      at += 4
    }
  }
  integer(chunks)
  text(origin)
  return file
}

function byName<Entry extends { readonly name: string }>(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
