import { useEffect, useState } from 'react'
import { useStore } from 'zustand'
import type { Recipe } from '../../../quantization/recipe.ts'
import type { ModelSummary, TensorDescription } from '../../../rpc/contract.ts'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { type GridValues, useActions } from '../../actions.ts'
import { HistogramChart } from '../../charts/histogram-chart.tsx'
import { OutlierChart } from '../../charts/outlier-chart.tsx'
import { count } from '../../format/numbers.ts'
import { FaultNote, Note } from '../../parts/note.tsx'
import { shortName } from './tensor-rows.ts'

interface FoundValues extends GridValues {
  readonly recipeId: string
}

/** Values of the grid of the recipe in the editor, around the histogram of a tensor; `null` until they are known. */
export function useGridValues(description: TensorDescription | undefined): FoundValues | null {
  const { gridValues } = useActions()
  const recipe = useStore(recipesStore, (state) => state.entries.find((entry) => entry.recipe.id === state.current)?.recipe)
  const [found, setFound] = useState<{ readonly recipe: Recipe; readonly tensor: string; readonly values: FoundValues | null } | null>(null)
  const tensor = description?.name
  const limit = description?.limit
  useEffect(() => {
    if (recipe === undefined || tensor === undefined || limit === undefined) return
    let isLate = false
    void gridValues(recipe, tensor, limit).then((values) => {
      if (!isLate) setFound({ recipe, tensor, values: values === null ? null : { ...values, recipeId: recipe.id } })
    })
    return () => {
      isLate = true
    }
  }, [gridValues, recipe, tensor, limit])
  return found !== null && found.recipe === recipe && found.tensor === tensor ? found.values : null
}

function Charts({ summary, description }: { readonly summary: ModelSummary; readonly description: TensorDescription }) {
  const grid = useGridValues(description)
  const source = { model: summary.name, protocol: description.name, date: new Date().toISOString().slice(0, 10) }
  const name = shortName(description.name)
  const lines =
    grid === null || grid.values.length === 0
      ? 'Log count.'
      : `Lines: the ${count(grid.values.length)} values of ${grid.recipeId} over the whole range. Log count.`
  const isMatrix = description.channels > 1 && description.channelRatios.length > 1
  return (
    <div className={isMatrix ? 'qs-grid qs-grid-halves' : 'qs-grid'}>
      <HistogramChart
        title={`Weights of ${name}`}
        subtitle={lines}
        source={source}
        limit={description.limit}
        histogram={description.histogram}
        gridValues={grid?.values ?? []}
        onFault={notify}
      />
      {isMatrix ? (
        <OutlierChart
          title="Input channels"
          subtitle="Largest weight of a channel over that of the median channel. Log scale."
          source={source}
          ratios={description.channelRatios}
          channels={description.channels}
          loudest={description.loudestChannels}
          onFault={notify}
        />
      ) : null}
    </div>
  )
}

/** Histogram and loudest channels of the tensor that is selected in the table. */
export function SelectedTensor({ summary }: { readonly summary: ModelSummary }) {
  const name = useStore(modelStore, (state) => state.selectedTensor)
  const description = useStore(modelStore, (state) => (name === null ? undefined : state.descriptions[name]))
  const fault = useStore(modelStore, (state) => state.describeFault)
  if (fault !== null) return <FaultNote fault={fault} />
  if (name === null) return <Note title="Select a tensor to see its weights" />
  if (description === undefined)
    return (
      <div className="qs-card qs-card-body" aria-busy="true" style={{ minHeight: 220 }}>
        <p className="qs-muted">Reading {name}.</p>
      </div>
    )
  return <Charts summary={summary} description={description} />
}
