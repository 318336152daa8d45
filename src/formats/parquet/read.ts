import { type ColumnChunk, type FileMetaData, parquetMetadata, parquetRead, parquetSchema, type SchemaTree } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { isAbort, StudioError } from '../../core/errors.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import type { ParquetColumn, ParquetFile, ParquetPart } from './parquet.ts'

/** The footer of a set of 100 columns and 10,000 row groups has some 50 MB; protects memory from a broken length. */
const maxFooterBytes = 64_000_000
/** Values of a column that are decoded together: text of 256 MB, and about twice that in memory. */
const maxPartBytes = 256_000_000
/** Rows that are read together where pages can be found one by one. */
const rowsOfPart = 1000

const tailBytes = 8
/** `PAR1`, at both ends of a file (Parquet format, "File format"). */
const magic = 0x31524150

/** Reads the footer. Throws `StudioError` `file-damaged` when it is none, and what the source throws. */
export async function readParquet(source: ByteSource, signal?: AbortSignal): Promise<ParquetFile> {
  const metadata = await readMetadata(source, signal)
  const tree = await guarded(source, async () => parquetSchema(metadata))
  const columns = tree.children.map((child) => describeColumn(child, metadata))
  return {
    rowCount: Number(metadata.num_rows),
    columns,
    parts: (column) => partsOf(source, metadata, column),
    readColumn: async (column, part, signal) =>
      guarded(source, async () => {
        const values: unknown[] = []
        await parquetRead({
          file: asyncBuffer(source, signal),
          metadata,
          columns: [column],
          rowStart: part.rowStart,
          rowEnd: part.rowEnd,
          compressors,
          useOffsetIndex: true,
          onComplete: (rows) => {
            for (const [value = null] of rows as readonly (readonly unknown[])[]) values.push(value)
          },
        })
        return values
      }),
  }
}

async function readMetadata(source: ByteSource, signal?: AbortSignal): Promise<FileMetaData> {
  const { sizeBytes } = source
  if (sizeBytes < 2 * tailBytes) throw damaged(source, 'It is too short for a Parquet file.')
  const tail = await source.read(sizeBytes - tailBytes, sizeBytes, signal)
  const view = new DataView(tail.buffer, tail.byteOffset, tailBytes)
  if (view.getUint32(4, true) !== magic) throw damaged(source, 'It does not end as a Parquet file does.')
  const footerBytes = view.getUint32(0, true)
  if (footerBytes > Math.min(maxFooterBytes, sizeBytes - tailBytes)) {
    throw damaged(source, `Its footer would have ${footerBytes.toLocaleString('en-US')} bytes.`)
  }
  const footer = await source.read(sizeBytes - tailBytes - footerBytes, sizeBytes, signal)
  return guarded(source, async () => parquetMetadata(footer))
}

/** Faults of the library as `file-damaged`; those of the source and stops as they are. */
async function guarded<T>(source: ByteSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StudioError || isAbort(error)) throw error
    throw damaged(source, `It cannot be decoded: ${error instanceof Error ? error.message : String(error)}.`)
  }
}

function damaged({ name }: ByteSource, what: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This Parquet file cannot be read',
    message: `${name} is damaged or not a Parquet file. ${what}`,
    remedy: 'Choose another set, or another part of it.',
    details: { file: name },
  })
}

function asyncBuffer(source: ByteSource, signal?: AbortSignal) {
  return {
    byteLength: source.sizeBytes,
    slice: async (start: number, end = source.sizeBytes) => (await source.read(start, end, signal)).buffer,
  }
}

function describeColumn(tree: SchemaTree, metadata: FileMetaData): ParquetColumn {
  const { name } = tree.element
  const chunks = metadata.row_groups.flatMap((group) => group.columns.filter((chunk) => chunk.meta_data?.path_in_schema[0] === name))
  const sizeBytes = chunks.reduce((sum, chunk) => sum + uncompressedBytes(chunk), 0)
  if (isText(tree)) return { name, kind: 'text', fields: [], sizeBytes }
  const fields = recordFields(tree)
  return { name, kind: fields.length > 0 ? 'records' : 'other', fields, sizeBytes }
}

function isText({ element, children }: SchemaTree): boolean {
  const isString = element.converted_type === 'UTF8' || element.logical_type?.type === 'STRING'
  return children.length === 0 && element.repetition_type !== 'REPEATED' && element.type === 'BYTE_ARRAY' && isString
}

/** String fields of a list of structs (Parquet format, "Lists": a group around a repeated group around the element). */
function recordFields({ element, children }: SchemaTree): string[] {
  if (element.converted_type !== 'LIST' && element.logical_type?.type !== 'LIST') return []
  const [repeated] = children
  const [item] = repeated?.children ?? []
  return item?.children.filter(isText).map((field) => field.element.name) ?? []
}

function uncompressedBytes({ meta_data: facts }: ColumnChunk): number {
  return Number(facts?.total_uncompressed_size ?? 0)
}

function partsOf(source: ByteSource, metadata: FileMetaData, column: string): ParquetPart[] {
  const parts: ParquetPart[] = []
  let groupStart = 0
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows)
    const chunks = group.columns.filter((chunk) => chunk.meta_data?.path_in_schema[0] === column)
    const arePagesKnown = chunks.length > 0 && chunks.every((chunk) => chunk.offset_index_offset !== undefined)
    const stride = arePagesKnown ? rowsOfPart : rows
    const bytes = chunks.reduce((sum, chunk) => sum + uncompressedBytes(chunk), 0)
    if ((bytes / Math.max(rows, 1)) * Math.min(stride, rows) > maxPartBytes) throw tooLarge(source, column, bytes)
    for (let row = 0; row < rows; row += stride) {
      parts.push({ rowStart: groupStart + row, rowEnd: groupStart + Math.min(row + stride, rows) })
    }
    groupStart += rows
  }
  return parts
}

function tooLarge({ name }: ByteSource, column: string, sizeBytes: number): StudioError {
  const size = sizeBytes.toLocaleString('en-US')
  return new StudioError('usage', {
    title: 'The rows of this set come in too large pieces',
    message: `"${column}" of ${name} has ${size} bytes in one row group, which would have to be read at once.`,
    remedy: 'Choose another set, or download a part of it and give it as a file.',
    details: { file: name, column, sizeBytes },
  })
}
