import { Button, Select } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, useMemo, useRef, useState } from 'react'
import { useStore } from 'zustand'
import type { LayerResult } from '../../../evaluation/result.ts'
import { modelStore } from '../../../state/model-store.ts'
import { toCsv } from '../../charts/csv.ts'
import { pictureFileName, saveBlob } from '../../charts/picture.ts'
import * as format from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Icon } from '../../parts/icon.tsx'
import { type LayerKey, type LayerRow, layerRows, sortLayers } from './layer-rows.ts'
import { nearestTwin } from './nearest-twin.ts'
import type { CompareData } from './use-compare.ts'

const rowHeight = 28

interface Head {
  readonly key: LayerKey
  readonly title: string
  readonly text: (row: LayerRow) => string
}

/** Every linear of one recipe, sortable, with its error in the pinned rival beside it. */
export const LayerTable = memo(function LayerTable({ data }: { readonly data: CompareData }) {
  const [chosen, setChosen] = useState<string | null>(null)
  const [sort, setSort] = useState<{ readonly key: LayerKey; readonly isDescending: boolean }>({ key: 'error', isDescending: true })
  const isNarrow = useMediaQuery('(max-width: 600px)', false, { getInitialValueInEffect: false })
  const scroll = useRef<HTMLDivElement>(null)
  const { a, b } = data.pins
  const shown = data.results.find((result) => result.recipe.id === chosen) ?? a ?? data.results[0]
  const rival = shown === b ? a : b
  const axes = useStore(modelStore, (state) => state.catalogue?.axes)
  const twin = useMemo(
    () => (shown === undefined || axes === undefined ? null : nearestTwin(shown, data.results, axes)),
    [shown, data.results, axes],
  )
  const rows = useMemo(
    () =>
      sortLayers(
        layerRows(shown?.report.layers ?? [], rival?.report.layers ?? [], twin?.report.layers ?? null),
        sort.key,
        sort.isDescending,
      ),
    [shown, rival, twin, sort],
  )

  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 8 })
  if (shown === undefined) return null
  const all: readonly Head[] = [
    { key: 'name', title: 'Layer', text: ({ layer }) => layer.name.replace(/^model\./, '').replace(/\.weight$/, '') },
    { key: 'grid', title: 'Stored as', text: ({ layer }) => layer.grid },
    { key: 'bits', title: 'Bit/weight', text: ({ layer }) => format.bits(layer.bitsPerWeight) },
    { key: 'error', title: 'Output error', text: ({ layer }) => (layer.outputError === null ? '–' : format.layerError(layer.outputError)) },
    ...(rival === null
      ? []
      : [
          {
            key: 'other',
            title: `in ${rival.recipe.id}`,
            text: ({ other }: LayerRow) => (other === null ? '–' : format.layerError(other)),
          } as const,
        ]),
    ...(twin === null
      ? []
      : [
          {
            key: 'gain',
            title: 'Over nearest',
            text: ({ gain }: LayerRow) => (gain === null ? '–' : format.changePercent(gain)),
          } as const,
        ]),
    { key: 'sqnr', title: 'SQNR', text: ({ layer }) => format.decibels(layer.sqnrDb) },
    { key: 'relative', title: 'Weight error', text: ({ layer }) => format.layerError(layer.relativeError) },
    { key: 'cosine', title: 'Cosine', text: ({ layer }) => layer.cosine.toFixed(5) },
    ...(rows.some(({ layer }) => layer.sparsity !== undefined)
      ? [{ key: 'zeros', title: 'Zeros', text: ({ layer }: LayerRow) => zerosOf(layer) } as const]
      : []),
    ...(rows.some(({ layer }) => layer.findings !== undefined)
      ? [{ key: 'note', title: 'Went otherwise', text: ({ layer }: LayerRow) => noteOf(layer) } as const]
      : []),
  ]
  const heads = isNarrow ? all.filter(({ key }) => key === 'name' || key === 'error' || key === 'other' || key === 'gain') : all
  const saveCsv = (): void => {
    const table = rows.map(({ layer, other, gain }) => [
      layer.name,
      layer.block,
      layer.role,
      layer.grid,
      layer.bitsPerWeight,
      layer.outputError,
      other,
      layer.sqnrDb,
      layer.relativeError,
      layer.cosine,
      layer.mse,
      gain,
      noteOf(layer),
    ])
    const names = [
      'layer',
      'block',
      'role',
      'stored as',
      'bits per weight',
      'output error',
      'output error of the other',
      'SQNR dB',
      'weight error',
      'cosine',
      'mse',
      'change over nearest',
      'went otherwise',
    ]
    saveBlob(
      new Blob([toCsv(names, table)], { type: 'text/csv;charset=utf-8' }),
      pictureFileName(data.source.model, `layers ${shown.recipe.id}`, 'csv'),
    )
  }
  const items = virtual.getVirtualItems()
  const before = items[0]?.start ?? 0
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0)
  return (
    <Card
      title="Layers"
      subtitle={`${format.counted(rows.length, 'tensor')}. Output error is |X(W−Q)ᵀ|² over |XWᵀ|².`}
      isFlush
      tools={
        <>
          <Select
            size="xs"
            aria-label="Recipe"
            w={190}
            allowDeselect={false}
            value={shown.recipe.id}
            data={data.results.map((result) => result.recipe.id)}
            onChange={setChosen}
          />
          <Button size="xs" variant="subtle" leftSection={<Icon name="save" />} onClick={saveCsv}>
            CSV
          </Button>
        </>
      }
    >
      <div
        ref={scroll}
        className="qs-compare-scroll qs-layer-scroll"
        role="region"
        aria-label={`Layers of ${shown.recipe.id}`}
        tabIndex={0}
      >
        <table className="qs-compare-table qs-layer-table" aria-rowcount={rows.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              {heads.map(({ key, title }) => {
                const isSorted = sort.key === key
                return (
                  <th key={key} scope="col" aria-sort={isSorted ? (sort.isDescending ? 'descending' : 'ascending') : undefined}>
                    <button type="button" onClick={() => setSort({ key, isDescending: isSorted ? !sort.isDescending : key !== 'name' })}>
                      {title}
                      <span aria-hidden="true">{isSorted ? (sort.isDescending ? ' ↓' : ' ↑') : ''}</span>
                    </button>
                  </th>
                )
              })}
            </tr>
          </thead>
          <tbody>
            {before > 0 && (
              <tr aria-hidden="true">
                <td colSpan={heads.length} style={{ height: before, padding: 0, border: 0 }} />
              </tr>
            )}
            {items.map((item) => {
              const row = rows[item.index]
              if (row === undefined) return null
              return (
                <tr key={row.layer.name} aria-rowindex={item.index + 2} style={{ height: rowHeight }}>
                  {heads.map(({ key, text }) => (
                    <td
                      key={key}
                      className={key === 'name' || key === 'grid' ? 'qs-compare-mono' : key === 'note' ? 'qs-layer-note' : undefined}
                      title={
                        key === 'note' ? (row.layer.findings ?? []).map(({ cause, remedy }) => `${cause} ${remedy}`).join(' ') : undefined
                      }
                    >
                      {text(row)}
                    </td>
                  ))}
                </tr>
              )
            })}
            {after > 0 && (
              <tr aria-hidden="true">
                <td colSpan={heads.length} style={{ height: after, padding: 0, border: 0 }} />
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </Card>
  )
})

const zerosOf = ({ sparsity }: LayerResult): string => (sparsity === undefined ? '–' : `${(100 * sparsity).toFixed(1)} %`)
const noteOf = ({ findings = [] }: LayerResult): string => findings.map(({ tried }) => tried).join(' ')
