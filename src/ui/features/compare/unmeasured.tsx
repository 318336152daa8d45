import { Button } from '@mantine/core'
import type { UnmeasuredRun } from '../../../pipeline/report.ts'
import type { Quantized } from '../../../state/results.ts'
import { textsStore } from '../../../state/texts-store.ts'
import * as format from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Headline } from '../../parts/headline.tsx'
import { Marker } from '../../theme/recipe-style.tsx'
import { gridsOf, meanSqnr } from './columns.ts'

/** A run that only quantized: sizes and the errors of the weights, and the way to what is missing. */
export function Unmeasured({ report, recipes }: { readonly report: UnmeasuredRun; readonly recipes: readonly Quantized[] }) {
  const measure = (): void => {
    textsStore.setState({ isMeasuring: true })
    location.hash = 'recipes'
  }
  return (
    <>
      <Headline
        title={`${format.counted(recipes.length, 'recipe')} quantized, not measured`}
        actions={
          <>
            <Button onClick={measure}>Measure on a text</Button>
            <Button variant="filled" component="a" href="#export">
              Export
            </Button>
          </>
        }
      >
        Made in {format.seconds(report.seconds)} without a text. What a recipe costs in perplexity shows only when it is measured.
      </Headline>
      <Card title="All recipes" subtitle="Errors of the weights alone, against the checkpoint." isFlush>
        <div className="qs-compare-scroll" role="region" aria-label="Table of all recipes" tabIndex={0}>
          <table className="qs-compare-table">
            <thead>
              <tr>
                {['Recipe', 'Size, MB', 'Bit/weight', 'SQNR', 'Stored as', 'Made in'].map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {recipes.map(({ recipe, slot, report: made }) => {
                const sqnr = meanSqnr(made)
                return (
                  <tr key={recipe.id}>
                    <th scope="row">
                      <span className="qs-compare-name">
                        <Marker slot={slot} />
                        {recipe.id}
                      </span>
                    </th>
                    <td>{format.megabytes(made.bytes)}</td>
                    <td>{format.bits(made.bitsPerWeight)}</td>
                    <td>{sqnr === null ? '–' : format.decibels(sqnr)}</td>
                    <td>{gridsOf(made)}</td>
                    <td>{format.seconds(made.seconds)}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      </Card>
    </>
  )
}
