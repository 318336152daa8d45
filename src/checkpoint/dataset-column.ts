import { StudioError } from '../core/errors.ts'
import type { ParquetColumn } from '../formats/parquet/parquet.ts'
import type { DatasetAddress } from './dataset-address.ts'

/** A column of a data set, of Parquet or of JSON lines. */
export type TextColumn = ParquetColumn

/** Names under which sets keep their text, the likeliest first. */
const usualNames = ['text', 'messages', 'conversations', 'content']
/** Fields of a turn of a conversation, in the two ways sets name them. */
const turnFields = [
  ['role', 'content'],
  ['from', 'value'],
]

/** The columns of a JSON object, by what its values are. */
export function columnsOfRecord(record: Readonly<Record<string, unknown>>): TextColumn[] {
  return Object.entries(record).map(([name, value]) => {
    if (typeof value === 'string') return { name, kind: 'text', fields: [], sizeBytes: value.length }
    const first: unknown = Array.isArray(value) ? value[0] : null
    const isRecord = typeof first === 'object' && first !== null
    const fields = isRecord ? Object.entries(first).flatMap(([field, inner]) => (typeof inner === 'string' ? [field] : [])) : []
    return { name, kind: fields.length > 0 ? 'records' : 'other', fields, sizeBytes: 0 }
  })
}

/**
 * The column that an address names; else one of the usual names, else the column of text with the most bytes. Throws `usage`
 * naming the columns when there is none.
 */
export function chooseColumn(columns: readonly TextColumn[], { repo, column: asked }: DatasetAddress, file: string): string {
  const usable = columns.filter(isUsable)
  if (asked !== null) {
    if (usable.some(({ name }) => name === asked)) return asked
    const isThere = columns.some(({ name }) => name === asked)
    const names = usable.map(({ name }) => name).join(', ')
    throw new StudioError('usage', {
      title: isThere ? 'This column is not text' : 'No such column',
      message: `${file} of ${repo} has ${isThere ? 'no text in' : 'no column'} "${asked}"; columns of text are: ${names === '' ? 'none' : names}.`,
      remedy: 'Name one of them, or none.',
      details: { repo, file, column: asked },
    })
  }
  const usual = usualNames.find((name) => usable.some((column) => column.name === name))
  const [largest] = usable.filter(({ kind }) => kind === 'text').toSorted((one, other) => other.sizeBytes - one.sizeBytes)
  const chosen = usual ?? largest?.name ?? usable[0]?.name
  if (chosen !== undefined) return chosen
  throw new StudioError('usage', {
    title: 'This data set has no text',
    message: `${file} of ${repo} has the columns ${columns.map(({ name }) => name).join(', ')}, none of which is text.`,
    remedy: 'Choose another set.',
    details: { repo, file },
  })
}

function isUsable({ kind, fields }: TextColumn): boolean {
  return kind === 'text' || (kind === 'records' && turnFields.some((needed) => needed.every((field) => fields.includes(field))))
}
