import { Button, SegmentedControl } from '@mantine/core'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useStore } from 'zustand'
import { exportsStore, isSameChoice, toggleExport } from '../../../state/exports-store.ts'
import { hoverRecipe, pinRecipe, recipesStore, selectRecipe } from '../../../state/recipes-store.ts'
import type { Result } from '../../../state/results.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { type CompareView, notify, uiStore } from '../../../state/ui-store.ts'
import { SizeQualityScatter } from '../../charts/size-quality-scatter.tsx'
import { useResults } from '../../frame/use-results.ts'
import { Headline } from '../../parts/headline.tsx'
import { EmptyState } from '../../parts/small-parts.tsx'
import { pointAtBlock } from './block-cursor.ts'
import './compare.css'
import { addEditedCopy } from './copies.ts'
import { DetailsDialog } from './details-dialog.tsx'
import { DiagnosisCards, MoreDiagnoses, useDiagnoses } from './diagnosis-cards.tsx'
import { headlineText } from './headline-text.ts'
import { LayersSection } from './layers-section.tsx'
import { PinnedCard } from './pinned-card.tsx'
import { ResultsTable } from './results-table.tsx'
import { TextSection } from './text-section.tsx'
import { Unmeasured } from './unmeasured.tsx'
import { baselineOfData, type CompareData, type LayerData, scatterPoints, useCompare, useLayerData } from './use-compare.ts'

/** Compare: which recipe to take, why, and what each one costs. */
export function CompareScreen() {
  const data = useCompare()
  const layers = useLayerData(data)
  const report = useStore(runStore, (state) => state.report)
  const { quantized } = useResults()
  if (report !== null && report.evaluation === null && quantized.length > 0) return <Unmeasured report={report} recipes={quantized} />
  if (data === null && layers === null) {
    return (
      <EmptyState
        title="Nothing measured yet"
        actions={
          <Button variant="filled" onClick={() => goTo('recipes')}>
            Go to recipes
          </Button>
        }
      >
        Charts fill while a run goes on; the first ones appear after one block.
      </EmptyState>
    )
  }
  if (data === null) return layers === null ? null : <SoFar layers={layers} />
  return <Measured data={data} layers={layers} />
}

function goTo(step: 'recipes' | 'run' | 'export'): void {
  location.hash = step
}

/** While a run goes on: layers first, since perplexity exists only once the head has run. */
function SoFar({ layers }: { readonly layers: LayerData }) {
  const stored = useStore(runStore, (state) => state.storedBlocks)
  const status = useStore(runStore, (state) => state.status)
  const isGoing = isRunOn({ status })
  return (
    <>
      <Headline
        title={stored === 0 ? 'The first block is being measured' : `${stored} of ${layers.blocks} blocks are measured`}
        actions={
          <Button variant="default" onClick={() => goTo('run')}>
            {isGoing ? 'Watch the run' : 'Go to the run'}
          </Button>
        }
      >
        {isGoing
          ? 'Charts fill while the run goes on. Size against quality comes last, when the head has turned hidden states into words.'
          : 'The run stopped before the head, so there is no perplexity yet. Resume it to see size against quality.'}
      </Headline>
      <div className="qs-stack qs-compare-page">
        <LayersSection data={null} layers={layers} />
      </div>
    </>
  )
}

const views: readonly { readonly value: CompareView; readonly label: string }[] = [
  { value: 'overview', label: 'Overview' },
  { value: 'layers', label: 'Layers' },
  { value: 'text', label: 'Text' },
]

function Measured({ data, layers }: { readonly data: CompareData; readonly layers: LayerData | null }) {
  const view = useStore(uiStore, (state) => state.compareView)
  const budgetBytes = useStore(uiStore, (state) => state.budgetBytes)
  const wasSampleRun = useStore(uiStore, (state) => state.wasSampleRun)
  const [details, setDetails] = useState<Result | null>(null)
  const sections = useRef<Partial<Record<CompareView, HTMLDivElement | null>>>({})
  const text = data.recommendation === null ? null : headlineText(data.recommendation, data.results, { report: data.report, budgetBytes })
  const a = data.pins.a
  const found = useDiagnoses(data)

  const show = (next: CompareView): void => {
    uiStore.setState({ compareView: next })
    const section = sections.current[next]
    // Above everything for the first section, so that the headline is seen as well.
    if (next === 'overview') window.scrollTo({ top: 0 })
    else section?.scrollIntoView({ block: 'start' })
    section?.focus({ preventScroll: true })
  }
  useEffect(() => {
    // The switch follows the page: the last section whose top has passed the header is the one in view.
    const follow = (): void => {
      const passed = views.filter(({ value }) => (sections.current[value]?.getBoundingClientRect().top ?? Number.POSITIVE_INFINITY) < 240)
      const atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2
      uiStore.setState({ compareView: atEnd && window.scrollY > 0 ? 'text' : (passed.at(-1)?.value ?? 'overview') })
    }
    follow()
    addEventListener('scroll', follow, { passive: true })
    return () => removeEventListener('scroll', follow)
  }, [])
  const showBlock = (block: number): void => {
    pointAtBlock(block)
    show('layers')
  }
  const editCopy = (result: Result): void => {
    const id = addEditedCopy(result.recipe)
    notify(`${id} is on the shelf; ${result.recipe.id} stays as it is.`)
    goTo('recipes')
  }
  const exportRecipe = (result: Result): void => {
    const { id, bytesOf } = result.report
    const choice = { recipeId: id, targetId: bytesOf }
    const isWritable = exportTargetsOf(id).includes(bytesOf)
    if (isWritable && !exportsStore.getState().chosen.some((other) => isSameChoice(other, choice))) toggleExport(choice)
    selectRecipe(id)
    goTo('export')
  }

  return (
    <>
      <Headline
        title={text?.title ?? 'Compare'}
        actions={
          <>
            <SegmentedControl
              size="xs"
              aria-label="Sections"
              value={view}
              data={[...views]}
              onChange={(next) => show(views.find((candidate) => candidate.value === next)?.value ?? 'overview')}
            />
            {a !== null && (
              <Button variant="filled" onClick={() => exportRecipe(a)}>
                Export A
              </Button>
            )}
          </>
        }
      >
        {text?.text}
        {wasSampleRun && ' This was the sample. Drop your own model anywhere on the page.'}
      </Headline>
      <div className="qs-stack qs-compare-page">
        <div className="qs-grid qs-grid-8-4 qs-compare-section" ref={(element) => void (sections.current.overview = element)} tabIndex={-1}>
          <Scatter data={data} />
          <div className="qs-stack">
            <PinnedCard data={data} />
            <DiagnosisCards found={found.slice(0, 1)} onShowBlock={showBlock} />
          </div>
        </div>
        <MoreDiagnoses found={found} onShowBlock={showBlock} />
        <ResultsTable data={data} onEditCopy={editCopy} onExport={exportRecipe} onDetails={setDetails} />
        <div className="qs-stack qs-compare-section" ref={(element) => void (sections.current.layers = element)} tabIndex={-1}>
          {layers !== null && <LayersSection data={data} layers={layers} />}
        </div>
        <div className="qs-compare-section" ref={(element) => void (sections.current.text = element)} tabIndex={-1}>
          <TextSection data={data} />
        </div>
      </div>
      <DetailsDialog data={data} result={details} onClose={() => setDetails(null)} />
    </>
  )
}

/** The scatter with what the person set on it. */
function Scatter({ data }: { readonly data: CompareData }) {
  const measure = useStore(uiStore, (state) => state.scatterMeasure)
  const budgetBytes = useStore(uiStore, (state) => state.budgetBytes)
  const hovered = useStore(recipesStore, (state) => state.hovered)
  const points = useMemo(() => scatterPoints(data), [data])
  const baseline = useMemo(() => baselineOfData(data), [data])
  return (
    <SizeQualityScatter
      source={data.source}
      points={points}
      baseline={baseline}
      measure={measure}
      onMeasure={(next) => uiStore.setState({ scatterMeasure: next })}
      budgetBytes={budgetBytes}
      onBudget={(next) => uiStore.setState({ budgetBytes: next })}
      hovered={hovered}
      onHover={hoverRecipe}
      onPin={(id, pin) => pinRecipe(pin === 'A' ? 'a' : 'b', id)}
      onFault={notify}
    />
  )
}

/** Formats a recipe can be written to, from the plan of the run. */
function exportTargetsOf(id: string): readonly string[] {
  const plan = runStore.getState().plan?.recipes.find((recipe) => recipe.recipeId === id)
  return plan?.targets.filter((target) => target.support === true).map((target) => target.id) ?? []
}
