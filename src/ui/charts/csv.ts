/** A cell of a table that leaves the page: numbers in full precision, `null` for "not measured". */
export type CsvCell = string | number | null

/**
 * RFC 4180 text with a header line, comma and CRLF. Text that a spreadsheet would run as a formula gets an apostrophe
 * in front (OWASP "CSV injection"); recipe names are typed by people and travel in links.
 */
export function toCsv(header: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [header, ...rows]
    .map((row) => row.map(quote).join(','))
    .join('\r\n')
    .concat('\r\n')
}

function quote(cell: CsvCell): string {
  if (cell === null) return ''
  if (typeof cell === 'number') return String(cell)
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
