import { Button } from '@mantine/core'
import { swapPins } from '../../../state/recipes-store.ts'
import { Card } from '../../parts/card.tsx'
import { PinBadge } from '../../parts/small-parts.tsx'
import { Marker } from '../../theme/recipe-style.tsx'
import { pairedRows, pairedSentence } from './paired.ts'
import type { CompareData } from './use-compare.ts'

/** A beside B, and A − B. */
export function PinnedCard({ data }: { readonly data: CompareData }) {
  const { a, b } = data.pins
  if (a === null || b === null) {
    return (
      <Card title="Pinned">
        <p className="qs-muted">{a === null ? 'Pin a recipe to see it here.' : `${a.recipe.id} is A. A second recipe makes a pair.`}</p>
      </Card>
    )
  }
  const rows = pairedRows(a.report, b.report, data)
  return (
    <Card
      title="Pinned"
      isFlush
      tools={
        <Button size="xs" variant="subtle" onClick={() => swapPins({ a: a.recipe.id, b: b.recipe.id })}>
          Swap
        </Button>
      }
    >
      <table className="qs-compare-table qs-pinned-table">
        <thead>
          <tr>
            <th scope="col">
              <span className="qs-hidden-text">Measure</span>
            </th>
            {[{ pin: 'a', result: a } as const, { pin: 'b', result: b } as const].map(({ pin, result }) => (
              <th key={pin} scope="col" title={result.recipe.id}>
                <span className="qs-compare-name">
                  <Marker slot={result.slot} />
                  <PinBadge pin={pin} />
                  <span className="qs-hidden-text">
                    {pin.toUpperCase()}, {result.recipe.id}
                  </span>
                </span>
              </th>
            ))}
            <th scope="col">A − B</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.label}>
              <th scope="row">{row.label}</th>
              <td>{row.a}</td>
              <td>{row.b}</td>
              <td className={row.isSame ? 'qs-compare-same' : undefined}>{row.difference}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="qs-pinned-sentence">{pairedSentence(a.report, b.report)}</p>
    </Card>
  )
}
