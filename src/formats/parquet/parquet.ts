/** A column at the top of a file's schema. */
export interface ParquetColumn {
  readonly name: string
  /** `text`: one string a row; `records`: a list of structs a row, whose string fields are `fields`; `other` anything else. */
  readonly kind: 'text' | 'records' | 'other'
  /** Names of the string fields of `records`; empty otherwise. */
  readonly fields: readonly string[]
  /** Size of its values before compression, over all rows. */
  readonly sizeBytes: number
}

/** Rows [rowStart, rowEnd) that are fetched and decoded together. */
export interface ParquetPart {
  readonly rowStart: number
  readonly rowEnd: number
}

/** A Parquet file whose footer is read; its values are still where they are. */
export interface ParquetFile {
  readonly rowCount: number
  readonly columns: readonly ParquetColumn[]
  /**
   * The rows in the pieces in which a column is read with the least bytes: row groups, or stretches of one where the file says
   * where its pages are. Throws `usage` when a piece would be too large to hold.
   */
  parts(column: string): readonly ParquetPart[]
  /**
   * Values of a column in rows [rowStart, rowEnd), `null` where a row has none. Throws `file-damaged`, and what the source
   * throws.
   */
  readColumn(column: string, part: ParquetPart, signal?: AbortSignal): Promise<readonly unknown[]>
}
