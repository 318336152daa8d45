import { StudioError, throwIfAborted } from '../core/errors.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import type { GridEncodingName, QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { encodings as storage } from '../quantization/registry.ts'
import type { ExportSource } from './target.ts'

type StoredAs<Name extends GridEncodingName> = Extract<QuantizedTensor, { readonly encoding: Name }>

/** Consecutive rows of a stored matrix from `rowStart` on; they hold until the next ones are asked for. */
export interface StoredTile<Tensor extends QuantizedTensor = QuantizedTensor> {
  readonly rowStart: number
  readonly tile: Tensor
}

/** Stored bytes of a tile at most, unless the fewest rows that can be cut off are more: what is made of a tile stays in the cache. */
const tileBytes = 2 ** 20
/**
 * What is made of tiles and waits in memory for its place in the file at most, so that a matrix is read once: scales and zero points of
 * 512 MiB of weights in f32, in groups of 32, are 18 MiB.
 */
export const mostHeldBytes = 32 * 2 ** 20

/** Rows of a tile at least, where rows share words of lines across them: in fewer, lines would be visited for a few bytes each. */
const leastTurned = 128

/**
 * The rows of a stored matrix in order, whatever tiles they lie in: each tile begins at a multiple of `unit` rows and, but for the
 * last one, ends at one. Throws `storage-fault` when it is stored in another encoding than the recipe says.
 */
export async function* storedTiles<Name extends GridEncodingName>(
  source: Pick<ExportSource, 'readTiles'>,
  { name, encoding, unit = 1 }: { readonly name: string; readonly encoding: Name; readonly unit?: number },
  signal?: AbortSignal,
): AsyncGenerator<StoredTile<StoredAs<Name>>> {
  let rest: QuantizedTensor | null = null
  let next = 0
  const take = (tile: QuantizedTensor): StoredTile<StoredAs<Name>> => {
    throwIfAborted(signal)
    const rowStart = next
    next += tile.rows
    return { rowStart, tile: requireEncoding(tile, encoding) }
  }
  for await (const { tile } of source.readTiles(name, signal)) {
    requireEncoding(tile, encoding)
    let at = 0
    if (rest !== null) {
      at = Math.min(unit - rest.rows, tile.rows)
      rest = joined(rest, rowsOf(tile, 0, at))
      if (rest.rows < unit) continue
      yield take(rest)
      rest = null
    }
    const step = stepOf(tile, unit)
    const end = tile.rows - ((tile.rows - at) % unit)
    for (; at < end; at += step) yield take(rowsOf(tile, at, Math.min(end, at + step)))
    if (end < tile.rows) rest = copyOf(rowsOf(tile, end, tile.rows))
  }
  if (rest !== null) yield take(rest)
}

/** Rows of a tile: a multiple of `unit` and of what its encoding is cut by. */
function stepOf(tile: QuantizedTensor, unit: number): number {
  const member = storage.get(tile.encoding)
  const encoding = member.encodingOf(tile)
  const least = unit * member.cutStep(tile, encoding)
  const fitting = Math.floor(tileBytes / member.storedBytes({ rows: least, columns: tile.columns }, encoding))
  return least * Math.max(fitting, unit === 1 ? 1 : Math.ceil(leastTurned / least))
}

function rowsOf(tile: QuantizedTensor, start: number, end: number): QuantizedTensor {
  return start === 0 && end === tile.rows ? tile : storage.get(tile.encoding).rows(tile, start, end)
}

/** In memory of its own: that of a tile is used again. */
function copyOf(tile: QuantizedTensor): QuantizedTensor {
  const member = storage.get(tile.encoding)
  const { name, rows, columns } = tile
  return member.fromBytes(joinBytes(member.parts(tile)), { name, rows, columns }, member.encodingOf(tile))
}

function joined(one: QuantizedTensor, other: QuantizedTensor): QuantizedTensor {
  const { name, columns } = one
  return storage.get(one.encoding).join([one, other], { name, columns, rows: one.rows + other.rows })
}

/** A tensor in the encoding that the recipe says. Throws `storage-fault`. */
export function requireEncoding<Name extends GridEncodingName>(stored: QuantizedTensor, encoding: Name): StoredAs<Name> {
  if (hasEncoding(stored, encoding)) return stored
  throw new StudioError('storage-fault', {
    title: 'What is stored does not fit the recipe',
    message: `${stored.name} is stored as ${stored.encoding}, but the recipe says ${encoding}.`,
    remedy: 'Run the recipe again, then export again.',
    details: { tensor: stored.name },
  })
}

function hasEncoding<Name extends GridEncodingName>(stored: QuantizedTensor, encoding: Name): stored is StoredAs<Name> {
  return stored.encoding === encoding
}

/** The tiles of a matrix in the encoding of the recipe. Throws `RangeError` for one that is on no grid. */
export function tilesOf(
  source: Pick<ExportSource, 'readTiles' | 'encodings'>,
  name: string,
  signal?: AbortSignal,
  unit = 1,
): AsyncGenerator<StoredTile> {
  const encoding = source.encodings.get(name)?.encoding
  if (encoding === undefined || encoding === 'source') throw new RangeError(`${name} is on no grid`)
  return storedTiles(source, { name, encoding, unit }, signal)
}
