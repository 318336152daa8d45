import { throwIfAborted } from '../../core/errors.ts'
import type { OnnxExternalPlace } from '../../formats/onnx/model.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { readingAhead } from '../../io/read-ahead.ts'
import { readInto } from '../../io/read-into.ts'
import { proofFailed } from '../proof.ts'
import type { ExportedFile, ExportSource } from '../target.ts'
import type { ReadBack, WeightGroup, WeightTensor } from './weight-groups.ts'

/** Where a tensor lies: the path of its file beside the model, and its place there. */
export interface PlacedWeight {
  readonly tensor: WeightTensor
  readonly place: OnnxExternalPlace
}

interface DataFile {
  readonly location: string
  readonly groups: readonly WeightGroup[]
  readonly places: ReadonlyMap<string, OnnxExternalPlace>
  readonly sizeBytes: number
}

export interface DataLayout {
  readonly files: readonly DataFile[]
  readonly weights: readonly PlacedWeight[]
}

/** Browsers hold a file of weights in one buffer, and transformers.js cuts at this size too. */
const defaultMaxFileBytes = 2_000_000_000

/** Pages, so that ONNX Runtime can map large tensors; small ones only need whole vectors. */
const pageBytes = 4096
const vectorBytes = 64
const mappedFrom = 65_536

/** Puts groups one behind the other into files named as transformers.js names them; a group that is too large is a file of its own. */
export function layoutData(modelFile: string, groups: readonly WeightGroup[], maxFileBytes: number | null): DataLayout {
  const limit = maxFileBytes ?? defaultMaxFileBytes
  const files: DataFile[] = []
  const weights: PlacedWeight[] = []
  let open: { groups: WeightGroup[]; places: Map<string, OnnxExternalPlace>; end: number } = { groups: [], places: new Map(), end: 0 }
  const nameOf = (index: number): string => `${modelFile}_data${index === 0 ? '' : `_${index}`}`
  const close = (): void => {
    files.push({ location: nameOf(files.length), groups: open.groups, places: open.places, sizeBytes: open.end })
    open = { groups: [], places: new Map(), end: 0 }
  }
  for (const group of groups) {
    if (open.groups.length > 0 && placeGroup(group, open.end).end > limit) close()
    const { offsets, end } = placeGroup(group, open.end)
    for (const [index, tensor] of group.tensors.entries()) {
      const place = { location: nameOf(files.length), offset: offsets[index] ?? 0, length: tensor.sizeBytes }
      open.places.set(tensor.name, place)
      weights.push({ tensor, place })
    }
    open.groups.push(group)
    open.end = end
  }
  close()
  return { files, weights }
}

function placeGroup({ tensors }: WeightGroup, start: number): { readonly offsets: readonly number[]; readonly end: number } {
  let end = start
  const offsets = tensors.map(({ sizeBytes }) => {
    const unit = sizeBytes >= mappedFrom ? pageBytes : vectorBytes
    const offset = Math.ceil(end / unit) * unit
    end = offset + sizeBytes
    return offset
  })
  return { offsets, end }
}

/** The files of a layout; `folder` is where the model lies, with a slash, or empty. */
export function dataFiles(layout: DataLayout, folder: string): ExportedFile[] {
  return layout.files.map((file) => ({
    path: folder + file.location,
    sizeBytes: file.sizeBytes,
    write: (source, signal) => writeAll(file, source, signal),
    async verify(source, written, { kernels, signal }) {
      for (const group of file.groups) {
        throwIfAborted(signal)
        const read = readerOf(file, written, signal)
        await group.prove({ source, read, kernels, ...(signal === undefined ? {} : { signal }) })
      }
    },
  }))
}

async function* writeAll(
  { groups, places }: DataFile,
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let at = 0
  for (const group of groups) {
    throwIfAborted(signal)
    let current: WeightTensor | null = null
    for await (const { tensor, bytes } of group.write(source, signal)) {
      if (tensor !== current) {
        const offset = places.get(tensor.name)?.offset ?? at
        if (offset > at) yield new Uint8Array(offset - at)
        at = offset
        current = tensor
      }
      at += bytes.length
      yield bytes
    }
  }
}

function readerOf({ places }: DataFile, written: ByteSource, signal?: AbortSignal): ReadBack {
  const readers = new Map<string, ReturnType<typeof readingAhead>>()
  return async ({ name }, start, end, into) => {
    const place = places.get(name)
    if (place === undefined) throw proofFailed(`Tensor ${name}`, 'is in another file')
    if (into !== undefined) {
      await readInto(written, into, place.offset + start, signal)
      return into
    }
    const read = readers.get(name) ?? readingAhead(written, place.offset + place.length, signal)
    readers.set(name, read)
    return read(place.offset + start, place.offset + end)
  }
}
