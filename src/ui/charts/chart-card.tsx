import { ActionIcon, Tooltip } from '@mantine/core'
import { type MouseEvent, type ReactNode, useId, useRef, useState } from 'react'
import './charts.css'
import type { ChartSource, ChartTable } from './chart-types.ts'
import { toCsv } from './csv.ts'
import { DataTable } from './data-table.tsx'
import { ChartIcon, CsvIcon, PictureIcon, TableIcon } from './icons.tsx'
import { composePicture, type LegendEntry, pictureFileName, rasterize, saveBlob } from './picture.ts'

export interface ChartCardProps {
  readonly title: string
  /** One line: what it is, direction, scale. */
  readonly subtitle: string
  readonly source: ChartSource
  /** The numbers behind the chart, in full precision. */
  readonly table: ChartTable
  /** Whose marks are whose, for the picture alone: on the page the shelf is the legend. */
  readonly legend?: readonly LegendEntry[]
  /** Switches at the right of the title. */
  readonly controls?: ReactNode
  /** Fixed place of hover values: right of the chart, under it on narrow screens. */
  readonly readout?: ReactNode
  /** A part of a larger card has no border of its own. */
  readonly isPart?: boolean
  /** Called with a sentence when saving fails. */
  readonly onFault?: (text: string) => void
  readonly children: ReactNode
}

/** Frame of every chart: title, actions, the chart or its table, and the readout beside it. */
export function ChartCard(props: ChartCardProps) {
  const { title, subtitle, source, table, legend = [], controls, readout, isPart = false, onFault, children } = props
  const heading = useId()
  const body = useRef<HTMLDivElement>(null)
  const [isTable, setTable] = useState(false)

  const saveCsv = (): void => {
    const text = toCsv(table.columns, table.rows)
    saveBlob(new Blob([text], { type: 'text/csv;charset=utf-8' }), pictureFileName(source.model, title, 'csv'))
  }
  const savePicture = async (event: MouseEvent): Promise<void> => {
    const chart = body.current?.querySelector<SVGSVGElement>('svg.qs-chart, svg.recharts-surface')
    if (chart === null || chart === undefined) return
    const text = { title, subtitle, legend, source: [source.model, source.protocol, source.date].filter((part) => part !== '').join(' · ') }
    const picture = composePicture(chart, text)
    if (event.shiftKey) {
      saveBlob(new Blob([picture.svg], { type: 'image/svg+xml' }), pictureFileName(source.model, title, 'svg'))
      return
    }
    try {
      saveBlob(await rasterize(picture, 2), pictureFileName(source.model, title, 'png'))
    } catch (error) {
      onFault?.(error instanceof Error ? `The picture was not saved. ${error.message}` : 'The picture was not saved.')
    }
  }

  return (
    <section className={isPart ? 'qs-chart-part' : 'qs-chart-card'} aria-labelledby={heading}>
      <header className="qs-chart-head">
        <div className="qs-chart-title">
          <h2 id={heading}>{title}</h2>
          <p>{subtitle}</p>
        </div>
        <div className="qs-chart-tools">
          {controls}
          <div className="qs-chart-actions">
            {!isTable && (
              <Tool label="Save as PNG (Shift: SVG)" onClick={(event) => void savePicture(event)}>
                <PictureIcon />
              </Tool>
            )}
            <Tool label="Save numbers as CSV" onClick={saveCsv}>
              <CsvIcon />
            </Tool>
            <Tool label={isTable ? 'Show as chart' : 'Show as table'} onClick={() => setTable(!isTable)}>
              {isTable ? <ChartIcon /> : <TableIcon />}
            </Tool>
          </div>
        </div>
      </header>
      <div className={readout === undefined ? 'qs-chart-body' : 'qs-chart-body qs-chart-with-readout'}>
        <div ref={body} className="qs-chart-place">
          {isTable ? <DataTable table={table} label={title} /> : children}
        </div>
        {readout !== undefined && !isTable && <div className="qs-chart-readout">{readout}</div>}
      </div>
    </section>
  )
}

interface ToolProps {
  readonly label: string
  readonly onClick: (event: MouseEvent) => void
  readonly children: ReactNode
}

function Tool({ label, onClick, children }: ToolProps) {
  return (
    <Tooltip label={label} openDelay={400}>
      <ActionIcon size="xs" aria-label={label} onClick={onClick} className="qs-chart-tool">
        {children}
      </ActionIcon>
    </Tooltip>
  )
}
