import { useMemo, useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { hoverRecipe, recipesStore } from '../../../state/recipes-store.ts'
import { runStore } from '../../../state/run-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { LayerErrorChart } from '../../charts/layer-error-chart.tsx'
import { layerSeries } from '../../charts/layer-series.ts'

/** The layer chart while it grows. */
export function LiveLayers() {
  const entries = useStore(recipesStore, (state) => state.entries)
  const hidden = useStore(recipesStore, (state) => state.hidden)
  const hovered = useStore(recipesStore, (state) => state.hovered)
  const cells = useStore(runStore, (state) => state.cells)
  const blocks = useStore(runStore, (state) => state.blocks)
  const evaluation = useStore(runStore, (state) => state.request?.evaluation)
  const model = useStore(modelStore, (state) => state.summary?.name ?? '')
  const isFinished = useStore(runStore, (state) => state.report !== null)
  const [cursor, setCursor] = useState<number | null>(null)
  const series = useMemo(() => {
    const shown = entries.filter(({ recipe, slot }) => slot !== null && !hidden.has(recipe.id) && cells[recipe.id] !== undefined)
    const recipes = shown.map(({ recipe, slot }) => ({ id: recipe.id, slot, pin: null }))
    return layerSeries(recipes, cells, { blocks, role: 'all' })
  }, [entries, hidden, cells, blocks])
  // Without forward passes there is no output error to draw.
  if (series.length === 0 || evaluation === null) return null
  const protocol = evaluation === undefined ? '' : `${evaluation.protocol} of ${evaluation.contextLength}, ${evaluation.textName}`
  return (
    <LayerErrorChart
      title={isFinished ? 'Output error' : 'Output error so far'}
      subtitle="Relative to float, per block, log scale. Lower is better."
      source={{ model, protocol, date: new Date().toISOString().slice(0, 10) }}
      series={series}
      blocks={blocks}
      role="all"
      hovered={hovered}
      onHover={hoverRecipe}
      cursor={cursor}
      onCursor={setCursor}
      onFault={notify}
    />
  )
}
