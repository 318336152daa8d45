import { significant } from '../format/numbers.ts'
import type { ChartTable } from './chart-types.ts'
import type { CsvCell } from './csv.ts'

function cellText(cell: CsvCell): string {
  if (cell === null) return '–'
  if (typeof cell === 'string') return cell
  return Number.isInteger(cell) ? cell.toLocaleString('en-US') : significant(cell, 4)
}

/** A chart's numbers, for those who read better than they see. */
export function DataTable({ table, label }: { readonly table: ChartTable; readonly label: string }) {
  return (
    <div className="qs-data-table" tabIndex={0} role="region" aria-label={`${label}, as a table`}>
      <table>
        <thead>
          <tr>
            {table.columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={table.columns[column]} className={typeof cell === 'string' ? 'qs-text-cell' : undefined}>
                  {cellText(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
