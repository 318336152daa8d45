import { useElementSize } from '@mantine/hooks'
import { useMemo } from 'react'
import { useStore } from 'zustand'
import { hoverRecipe, type RecipeEntry, recipesStore } from '../../../state/recipes-store.ts'
import { type BlockCell, type Progress, runStore } from '../../../state/run-store.ts'
import { layerError } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { ChartMarker, recipeColour } from '../../theme/recipe-style.tsx'
import { cellOpacity, errorRange, labelledBlocks } from './walk-geometry.ts'

const rowHeight = 31
const cellHeight = 23
const gap = 3
const headGap = 9

/** Of the border of the current cell: dash and gap. */
const dashes = [3, 2] as const

/**
 * The border marches with the work: a step with each word of progress, some two a second. An animation of the browser would
 * paint sixty times a second, on the processor that quantizes.
 */
function dashOffset(progress: Progress | null): number {
  return -(Math.round((progress?.elapsedSeconds ?? 0) * 4) % (dashes[0] + dashes[1]))
}

interface Geometry {
  readonly left: number
  readonly cell: number
  readonly blocks: number
}

const xOf = (column: number, { left, cell, blocks }: Geometry): number => left + column * (cell + gap) + (column === blocks ? headGap : 0)

function RowCells({
  entry,
  geometry,
  y,
  range,
}: {
  readonly entry: RecipeEntry
  readonly geometry: Geometry
  readonly y: number
  readonly range: readonly [number, number]
}) {
  const { id } = entry.recipe
  const cells = useStore(runStore, (state) => state.cells[id])
  const progress = useStore(runStore, (state) => (state.status === 'running' ? state.progress : null))
  const stored = useStore(runStore, (state) => state.storedBlocks)
  const isFinished = useStore(runStore, (state) => state.report !== null)
  const { blocks, cell } = geometry
  const isNow = (column: number): boolean => progress !== null && progress.recipeId === id && progress.block === column
  return Array.from({ length: blocks + 1 }, (_, column) => {
    const isHead = column === blocks
    const found: BlockCell | undefined = isHead ? undefined : cells?.[column]
    const isDone = found !== undefined || (isHead ? isFinished : column < stored)
    const error = found?.outputError ?? undefined
    const box = { x: xOf(column, geometry), y, width: cell, height: cellHeight, rx: 3 }
    const title = `${id}, ${isHead ? 'head' : `block ${column}`}${error === undefined ? '' : `: error ${layerError(error)}`}`
    if (isNow(column) && !isDone)
      return (
        <rect
          key={column}
          {...box}
          className="qs-cell-now"
          fill="var(--qs-surface)"
          stroke={recipeColour(entry.slot)}
          strokeWidth={1.5}
          strokeDasharray={dashes.join(' ')}
          strokeDashoffset={dashOffset(progress)}
        >
          <title>{title}, now</title>
        </rect>
      )
    if (isDone)
      return (
        <rect key={column} {...box} fill={recipeColour(entry.slot)} fillOpacity={error === undefined ? 0.5 : cellOpacity(error, range)}>
          <title>{title}</title>
        </rect>
      )
    return <rect key={column} {...box} fill="var(--qs-sunk)" stroke="var(--qs-line)" />
  })
}

/** Recipes down, blocks across and the head: a cell fills when it is stored; the fuller its colour, the larger its error. */
export function Walk() {
  const { ref, width } = useElementSize()
  const all = useStore(recipesStore, (state) => state.entries)
  const hovered = useStore(recipesStore, (state) => state.hovered)
  const request = useStore(runStore, (state) => state.request)
  const blocks = useStore(runStore, (state) => state.blocks)
  const stored = useStore(runStore, (state) => state.storedBlocks)
  const cells = useStore(runStore, (state) => state.cells)
  const block = useStore(runStore, (state) => (state.status === 'running' ? (state.progress?.block ?? null) : null))
  const entries = useMemo(() => {
    const bySlot = new Map(all.map((entry) => [entry.recipe.id, entry.slot]))
    return (request?.recipes ?? []).map((recipe): RecipeEntry => ({ recipe, slot: bySlot.get(recipe.id) ?? null }))
  }, [all, request])
  const range = useMemo(
    () =>
      errorRange(
        Object.values(cells).flatMap((row) => Object.values(row).flatMap(({ outputError }) => (outputError === null ? [] : [outputError]))),
      ),
    [cells],
  )
  const left = width < 520 ? 22 : 160
  const cell = Math.max(8, Math.min(96, (width - left - headGap - gap * (blocks + 1)) / (blocks + 1)))
  const geometry: Geometry = { left, cell, blocks }
  const height = entries.length * rowHeight + 24
  const drawn = Math.max(0, xOf(blocks, geometry) + cell + 6)
  const summary = `${stored} of ${blocks} blocks are stored for ${entries.length} recipes.`
  return (
    <Card
      title="The walk"
      subtitle={`A cell is one block in one recipe${request?.evaluation === null ? '.' : '; the fuller its colour, the larger its output error.'}`}
    >
      <div ref={ref} className="qs-walk" tabIndex={0} role="region" aria-label="Walk over the blocks">
        {width === 0 || blocks === 0 ? (
          <p className="qs-muted">The first block is being read.</p>
        ) : (
          <svg width={drawn} height={height} role="img" aria-label={summary}>
            {entries.map((entry, row) => {
              const y = row * rowHeight + 2
              const isFaded = hovered !== null && hovered !== entry.recipe.id
              return (
                <g
                  key={entry.recipe.id}
                  opacity={isFaded ? 0.18 : 1}
                  onPointerEnter={() => hoverRecipe(entry.recipe.id)}
                  onPointerLeave={() => hoverRecipe(null)}
                >
                  <ChartMarker slot={entry.slot} x={8} y={y + cellHeight / 2} size={11} />
                  {left > 100 ? (
                    <text
                      x={22}
                      y={y + cellHeight / 2 + 4}
                      fill="var(--qs-ink)"
                      fontSize="12"
                      fontFamily="var(--mantine-font-family-monospace)"
                    >
                      {entry.recipe.id.length > 18 ? `${entry.recipe.id.slice(0, 17)}…` : entry.recipe.id}
                    </text>
                  ) : null}
                  <RowCells entry={entry} geometry={geometry} y={y} range={range} />
                </g>
              )
            })}
            <g fontSize="11" textAnchor="middle" fill="var(--qs-ink-2)">
              {labelledBlocks(blocks)
                .filter((label) => block === null || label === block || Math.abs(label - block) * (cell + gap) > 14)
                .map((label) => (
                  <text key={label} x={xOf(label, geometry) + cell / 2} y={height - 6}>
                    {label}
                  </text>
                ))}
              {block === null || block >= blocks ? null : (
                <text x={xOf(block, geometry) + cell / 2} y={height - 6} fill="var(--qs-ink)" fontWeight="600">
                  {block}
                </text>
              )}
              <text x={xOf(blocks, geometry) + cell / 2} y={height - 6} fontWeight={block === blocks ? 600 : 400}>
                head
              </text>
            </g>
          </svg>
        )}
      </div>
    </Card>
  )
}
