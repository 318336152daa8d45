import { useEffect, useMemo } from 'react'
import { useStore } from 'zustand'
import type { Recipe } from '../../../quantization/recipe.ts'
import { modelStore } from '../../../state/model-store.ts'
import { useActions } from '../../actions.ts'
import { count, significant } from '../../format/numbers.ts'
import { useGridValues } from '../inspect/selected-tensor.tsx'

const width = 300
const height = 74
const base = 52

/** The chosen tensor's histogram with the values its grid allows: small, drawn for its place, figures in the label. */
export function GridPicture({ recipe }: { readonly recipe: Recipe }) {
  const { selectTensor } = useActions()
  const summary = useStore(modelStore, (state) => state.summary)
  const name = useStore(modelStore, (state) => state.selectedTensor)
  const description = useStore(modelStore, (state) => (name === null ? undefined : state.descriptions[name]))
  const grid = useGridValues(description)
  const first = useMemo(() => summary?.tensors.find((tensor) => tensor.isQuantizable && tensor.block >= 0)?.name, [summary])
  useEffect(() => {
    if (name === null && first !== undefined) selectTensor(first)
  }, [name, first, selectTensor])
  if (description === undefined) return <div style={{ height }} aria-hidden="true" />
  const { histogram, limit } = description
  const most = Math.log10(1 + Math.max(...histogram))
  const step = width / histogram.length
  const toX = (value: number): number => ((value + limit) / (2 * limit)) * width
  const values = grid?.recipeId === recipe.id ? grid.values.filter((value) => Math.abs(value) <= limit * 1.001) : []
  const isStrip = values.length > 64
  const label = `Histogram of ${description.name}, logarithmic count${values.length === 0 ? '' : `, with the ${count(values.length)} values of this grid`}${grid === null ? '' : `; stored as ${grid.storedAs}`}`
  return (
    <svg className="qs-sketch" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {histogram.map((value, bin) => {
        const bar = most === 0 ? 0 : (Math.log10(1 + value) / most) * (base - 8)
        return <rect key={`${bin}`} x={bin * step} y={base - bar} width={Math.max(0.5, step - 1)} height={bar} fill="var(--qs-bar)" />
      })}
      {values.map((value, index) =>
        isStrip ? (
          <rect key={`${index}`} x={toX(value) - 0.5} y={base + 1} width={1} height={5} fill="var(--qs-ink)" />
        ) : (
          <line key={`${index}`} x1={toX(value)} x2={toX(value)} y1={2} y2={base + 3} stroke="var(--qs-ink)" />
        ),
      )}
      <line x1={0} x2={width} y1={base} y2={base} stroke="var(--qs-line-2)" />
      <g fontSize="11" fill="var(--qs-ink-3)">
        <text x={0} y={height - 5}>
          {significant(-limit, 2)}
        </text>
        <text x={width / 2} y={height - 5} textAnchor="middle">
          {grid === null ? '0' : grid.storedAs}
        </text>
        <text x={width} y={height - 5} textAnchor="end">
          {significant(limit, 2)}
        </text>
      </g>
    </svg>
  )
}
