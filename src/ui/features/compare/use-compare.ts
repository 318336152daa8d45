import { useThrottledValue } from '@mantine/hooks'
import { useMemo } from 'react'
import { useStore } from 'zustand'
import type { MeasuredRun, RecipeReport } from '../../../pipeline/report.ts'
import { generationStore } from '../../../state/generation-store.ts'
import { modelStore } from '../../../state/model-store.ts'
import { type PinName, recipesStore } from '../../../state/recipes-store.ts'
import { aboveBaseline, baselineOf, baselinePerplexity, type Recommendation, type Result } from '../../../state/results.ts'
import { runStore } from '../../../state/run-store.ts'
import type { ChartRecipe, ChartSource } from '../../charts/chart-types.ts'
import type { LayerCells } from '../../charts/layer-series.ts'
import type { ScatterPoint } from '../../charts/scatter-geometry.ts'
import { useFormatTitle, useResults } from '../../frame/use-results.ts'
import type { ColumnFacts } from './columns.ts'
import { measuredOn } from './headline-text.ts'

/** Charts take part with eight recipes; a ninth is listed in the table until another is hidden. */
const mostInCharts = 8

/** While a run goes on charts redraw at most this often. */
const redrawMilliseconds = 500

export interface CompareData {
  readonly report: MeasuredRun
  readonly results: readonly Result[]
  readonly recommendation: Recommendation | null
  readonly pins: Readonly<Record<PinName, Result | null>>
  /** In charts: not hidden, at most eight. */
  readonly visible: readonly Result[]
  readonly baseline: RecipeReport | null
  readonly baselineName: string
  readonly facts: ColumnFacts
  readonly source: ChartSource
}

/** Everything Compare shows once a report is there; `null` before. */
export function useCompare(): CompareData | null {
  const report = useStore(runStore, (state) => state.report)
  const hidden = useStore(recipesStore, (state) => state.hidden)
  const baselineId = useStore(recipesStore, (state) => state.baseline)
  const continuations = useStore(generationStore, (state) => state.continuations)
  const { results, recommendation, pins } = useResults()
  const formatTitle = useFormatTitle()
  return useMemo(() => {
    if (report === null || report.evaluation === null || results.length === 0) return null
    const baseline = baselineOf(results, baselineId)
    const baselineName = baseline?.id ?? 'float'
    const speeds = Object.fromEntries(continuations.map(({ recipeId, tokensPerSecond }) => [recipeId ?? ':float', tokensPerSecond]))
    return {
      report,
      results,
      recommendation,
      pins,
      visible: results.filter((result) => !hidden.has(result.recipe.id)).slice(0, mostInCharts),
      baseline,
      baselineName,
      facts: { report, baseline, baselineName, speeds, formatTitle },
      source: sourceOf(report),
    }
  }, [report, hidden, baselineId, continuations, results, recommendation, pins, formatTitle])
}

function sourceOf(report: MeasuredRun): ChartSource {
  const { protocol, contextLength } = report.evaluation
  return {
    model: report.model.name,
    protocol: `${protocol === 'windows' ? 'windows' : `${protocol} windows`} of ${contextLength}, ${measuredOn(report)}`,
    date: report.createdAt.slice(0, 10),
  }
}

export const pinLetter = (id: string, pins: CompareData['pins']): 'A' | 'B' | null =>
  pins.a?.recipe.id === id ? 'A' : pins.b?.recipe.id === id ? 'B' : null

/** Points of the scatter. */
export function scatterPoints({ visible, pins, baseline }: CompareData): readonly ScatterPoint[] {
  return visible.map(({ recipe, slot, report }) => ({
    id: recipe.id,
    slot,
    pin: pinLetter(recipe.id, pins),
    bytes: report.bytes,
    perplexity: { value: report.perplexity, error: report.perplexityError },
    above: aboveBaseline(report, baseline),
    klDivergence: { value: report.klDivergence.mean, error: report.klDivergence.meanError },
    sameTopToken: { value: report.sameTopToken, error: report.sameTopTokenError },
  }))
}

export const baselineOfData = ({
  report,
  baseline,
  baselineName,
}: CompareData): { readonly name: string; readonly perplexity: number } => ({
  name: baselineName,
  perplexity: baselinePerplexity(report.evaluation.float, baseline),
})

export interface LayerData {
  readonly cells: LayerCells
  readonly blocks: number
  /** In charts: on the shelf, measured, not hidden. */
  readonly recipes: readonly ChartRecipe[]
  readonly source: ChartSource
}

/** What the layer charts show: of the running or stopped run as far as it is, else of the report. `null` before the first block. */
export function useLayerData(data: CompareData | null): LayerData | null {
  const liveCells = useStore(runStore, (state) => state.cells)
  const cells = useThrottledValue(liveCells, redrawMilliseconds)
  const blocks = useStore(runStore, (state) => state.blocks)
  const entries = useStore(recipesStore, (state) => state.entries)
  const hidden = useStore(recipesStore, (state) => state.hidden)
  const modelName = useStore(modelStore, (state) => state.summary?.name ?? '')
  return useMemo(() => {
    const measured = entries.filter((entry) => cells[entry.recipe.id] !== undefined && !hidden.has(entry.recipe.id)).slice(0, mostInCharts)
    const count = Math.max(blocks, blocksIn(cells))
    if (measured.length === 0 || count === 0) return null
    return {
      cells,
      blocks: count,
      recipes: measured.map(({ recipe, slot }) => ({
        id: recipe.id,
        slot,
        pin: data === null ? null : pinLetter(recipe.id, data.pins),
      })),
      source: data?.source ?? { model: modelName, protocol: 'run in progress', date: new Date().toISOString().slice(0, 10) },
    }
  }, [cells, blocks, entries, hidden, data, modelName])
}

function blocksIn(cells: LayerCells): number {
  let last = -1
  for (const byBlock of Object.values(cells)) for (const block of Object.keys(byBlock)) last = Math.max(last, Number(block))
  return last + 1
}
