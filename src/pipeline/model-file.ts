import type { ExportedFile } from '../export/target.ts'
import type { FileEditor, FileStore } from '../io/file-store.ts'
import { type PutTile, placing, type StoredTensor } from './stored-tensor.ts'

/**
 * What a recipe of a run that only quantizes stores most of its matrices in: a file that lies in storage as an export will have it,
 * so that the export writes only the rest. While it is open nobody reads from it.
 */
export interface ModelFile {
  readonly path: string
  holds(name: string): boolean
  readonly put: PutTile
  readonly flush: FileEditor['flush']
  readonly close: FileEditor['close']
}

/**
 * Opens the file of a recipe; `offsets` say where which matrix begins. `null` where no export has matrices as they are stored, where
 * the host cannot write into files, and where an earlier session `stored` some elsewhere in it, whose bytes must stay.
 */
export async function openModelFile(
  { store, path, offsets }: { readonly store: FileStore; readonly path: string; readonly offsets: ReadonlyMap<string, number> },
  stored: readonly StoredTensor[],
): Promise<ModelFile | null> {
  if (offsets.size === 0) return null
  const inFile = stored.filter((tensor) => tensor.path === path)
  if (inFile.some(({ name, tiles }) => tiles[0]?.offset !== offsets.get(name))) return null
  const editor = await store.edit(path)
  if (editor === null) return null
  return {
    path,
    holds: (name) => offsets.has(name),
    put: placing(editor, offsets),
    flush: () => editor.flush(),
    close: () => editor.close(),
  }
}

/** Path of the model file that becomes an exported one when the rest is written to it; `null` where its matrices lie elsewhere. */
export function modelFileOf(tensors: readonly StoredTensor[], { inPlace }: ExportedFile): string | null {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const paths = new Set<string | null>()
  for (const [name, offset] of inPlace?.offsets ?? []) {
    const tensor = byName.get(name)
    let end = offset
    for (const tile of tensor?.tiles ?? []) {
      if (tile.offset !== end) return null
      end += tile.sizeBytes
    }
    paths.add(tensor?.path ?? null)
  }
  const [path = null] = paths
  return paths.size === 1 ? path : null
}
