import * as v from 'valibot'
import { StudioError } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { memorySource } from '../io/memory-source.ts'
import type { ModelSummary } from '../rpc/contract.ts'

/** What `samples/index.json` says: one model and the texts to measure it with. */
const indexSchema = v.object({
  name: v.string(),
  folder: v.string(),
  files: v.array(v.string()),
  texts: v.array(v.object({ id: v.picklist(['calibration', 'evaluation']), name: v.string(), path: v.string() })),
})

export interface Sample {
  readonly name: string
  readonly files: ReadonlyMap<string, ByteSource>
  readonly texts: ModelSummary['bundledTexts']
}

/** Gives the bytes of a path below `samples/`, or `null` when there is none. */
export type SampleFetcher = (path: string, signal: AbortSignal) => Promise<Uint8Array<ArrayBuffer> | null>

/** The bundled model: small, so it is fetched whole. Throws `file-missing` when the page was served without it. */
export async function openSample(fetchFile: SampleFetcher, signal: AbortSignal): Promise<Sample> {
  const read = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = await fetchFile(path, signal)
    if (bytes !== null) return bytes
    throw new StudioError('file-missing', {
      title: 'The sample is missing',
      message: `This page was served without samples/${path}.`,
      remedy: 'Drop a model of your own, or serve the studio from a complete build.',
      details: { path },
    })
  }
  const text = async (path: string): Promise<string> => new TextDecoder().decode(await read(path))
  const index = v.parse(indexSchema, JSON.parse(await text('index.json')))
  const files = new Map<string, ByteSource>()
  for (const name of index.files) files.set(name, memorySource(name, await read(`${index.folder}/${name}`)))
  const texts: Sample['texts'][number][] = []
  for (const { id, name, path } of index.texts) texts.push({ id, name, text: await text(path) })
  return { name: index.name, files, texts }
}
