import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import { shortLayerName } from '../../../state/findings.ts'
import { modelStore } from '../../../state/model-store.ts'
import { recipesStore } from '../../../state/recipes-store.ts'
import * as format from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Marker } from '../../theme/recipe-style.tsx'
import { boughtOver, nearestTwin } from './nearest-twin.ts'
import type { CompareData } from './use-compare.ts'

/** What rounding by a text bought over rounding to nearest at the same bytes, where the run has both. */
export function BoughtCard({ data }: { readonly data: CompareData }) {
  const axes = useStore(modelStore, (state) => state.catalogue?.axes)
  if (axes === undefined) return null
  const rows = data.results.flatMap((result) => {
    const twin = nearestTwin(result, data.results, axes)
    const bought = twin === null ? null : boughtOver(result.report.layers, twin.report.layers)
    return twin === null || bought === null ? [] : [{ result, twin, bought }]
  })
  if (rows.length === 0) return null
  return (
    <Card
      title="What calibration bought"
      subtitle="Output error of all layers against the same grid rounded to nearest. Negative is better."
    >
      <ul className="qs-bought">
        {rows.map(({ result, twin, bought }) => (
          <li key={result.recipe.id}>
            <Marker slot={result.slot} />
            <span>
              <b className="qs-mono">{result.recipe.id}</b> {changeInWords(bought.change)} than{' '}
              <span className="qs-mono">{twin.recipe.id}</span>; most in {shortLayerName(bought.best.name)},{' '}
              {changeInWords(bought.bestChange)}
              {bought.worse === 0 ? '' : `; more in ${format.counted(bought.worse, 'layer')} of ${bought.layers}`}.{' '}
              {kept(result.report.aboveFloat.value, twin.report.aboveFloat.value)}
            </span>
            <Button size="xs" variant="subtle" onClick={() => recipesStore.setState({ pins: { a: result.recipe.id, b: twin.recipe.id } })}>
              Pin the pair
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  )
}

const changeInWords = (change: number): string => `${format.percent(Math.abs(change))} ${change <= 0 ? 'less' : 'more'}`

/** How much of what nearest rounding loses in perplexity is won back; only where nearest loses something. */
function kept(own: number, nearest: number): string {
  if (nearest <= 0 || own >= nearest) return ''
  return `It wins back ${format.percent(Math.min(1, 1 - own / nearest))} of the perplexity that nearest rounding loses.`
}
