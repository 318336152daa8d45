import { useMemo } from 'react'
import { useStore } from 'zustand'
import { hoverRecipe, pinRecipe, recipesStore } from '../../../state/recipes-store.ts'
import { notify, uiStore } from '../../../state/ui-store.ts'
import { HeatMap, type HeatRow } from '../../charts/heat-map.tsx'
import { LayerErrorChart } from '../../charts/layer-error-chart.tsx'
import { type LayerSeries, layerSeries, rolesOf } from '../../charts/layer-series.ts'
import * as format from '../../format/numbers.ts'
import { blockCursor, pointAtBlock } from './block-cursor.ts'
import { BoughtCard } from './bought-card.tsx'
import { changeEditedCopy } from './copies.ts'
import { blockPattern, withOverrides } from './edited-copy.ts'
import { LayerTable } from './layer-table.tsx'
import type { CompareData, LayerData } from './use-compare.ts'

export interface LayersSectionProps {
  /** `null` while a run has no report yet. */
  readonly data: CompareData | null
  readonly layers: LayerData
}

/** Where the error is made and what each bit is worth, over the blocks. */
export function LayersSection({ data, layers }: LayersSectionProps) {
  const cursor = useStore(blockCursor, (state) => state.block)
  const hovered = useStore(recipesStore, (state) => state.hovered)
  const role = useStore(uiStore, (state) => state.layerRole)
  const roles = useMemo(() => rolesOf(layers.cells), [layers])
  const shownRole = roles.includes(role) ? role : 'all'
  const series = useMemo(() => layerSeries(layers.recipes, layers.cells, { blocks: layers.blocks, role: shownRole }), [layers, shownRole])
  const rows = useMemo(() => heatRows(series, layers, data), [series, layers, data])
  const what = shownRole === 'all' ? 'each block, mean of its linears' : `${shownRole} in each block`
  const a = data?.pins.a ?? null

  const override = (block: number, id: string): void => {
    const of = a?.report
    const from = data?.results.find((result) => result.recipe.id === id)?.report
    if (of === undefined || from === undefined || data === null) return
    const pattern = blockPattern(of.layers.filter((layer) => layer.block === block).map((layer) => layer.name))
    if (pattern === null) return
    const copy = changeEditedCopy(of.recipe, (recipe) => withOverrides(recipe, [pattern], from.recipe.grid))
    notify(`${copy} gives block ${block} the grid of ${id}. Run it to see what that buys.`)
  }

  return (
    <>
      <section className="qs-card qs-compare-charts" aria-label="Error over the blocks">
        <LayerErrorChart
          isPart
          title="Where the error is made"
          subtitle={`Relative output error of ${what}, against float, log scale. Lower is better.${data === null ? '' : ' Thick lines are pinned.'}`}
          source={layers.source}
          series={series}
          blocks={layers.blocks}
          role={shownRole}
          roles={roles}
          onRole={(next) => uiStore.setState({ layerRole: next })}
          hovered={hovered}
          onHover={hoverRecipe}
          cursor={cursor}
          onCursor={pointAtBlock}
          onFault={notify}
          {...(data === null ? {} : { onPin: (id: string, pin: 'A' | 'B') => pinRecipe(pin === 'A' ? 'a' : 'b', id) })}
        />
        <HeatMap
          isPart
          title="What each bit is worth, block by block"
          subtitle="The same error by width, most bits on top. Stronger colour is more error; log scale, fixed for this model."
          source={layers.source}
          rows={rows}
          blocks={layers.blocks}
          hovered={hovered}
          onHover={hoverRecipe}
          cursor={cursor}
          onCursor={pointAtBlock}
          onFault={notify}
          {...(a === null
            ? {}
            : { onOverride: override, overrideNote: `Enter or a click gives this block that width in a copy of A, ${a.recipe.id}.` })}
        />
      </section>
      {data !== null && <BoughtCard data={data} />}
      {data !== null && <LayerTable data={data} />}
    </>
  )
}

/** Rows of the heat map, most bits first. Before there is a report, bits come from the layers measured so far. */
function heatRows(series: readonly LayerSeries[], layers: LayerData, data: CompareData | null): readonly HeatRow[] {
  return series
    .map((line) => {
      const report = data?.results.find((result) => result.recipe.id === line.id)?.report
      const bits = report?.blockBitsPerWeight ?? meanBits(layers, line.id)
      return { ...line, bitsPerWeight: bits, label: `${format.bits(bits)} bit` }
    })
    .toSorted((one, other) => other.bitsPerWeight - one.bitsPerWeight)
}

function meanBits({ cells }: LayerData, id: string): number {
  const own = Object.values(cells[id] ?? {}).flatMap((cell) => cell.layers.map((layer) => layer.bitsPerWeight))
  return own.length === 0 ? 0 : own.reduce((sum, bits) => sum + bits, 0) / own.length
}
