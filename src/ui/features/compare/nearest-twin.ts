import type { LayerResult } from '../../../evaluation/result.ts'
import type { AxisChoice, Recipe } from '../../../quantization/recipe.ts'
import type { Catalogue } from '../../../rpc/contract.ts'
import type { Result } from '../../../state/results.ts'

type Axes = Catalogue['axes']

/** The recipe of the run that differs in rounding alone and learns from no text; `null` when there is none or it is one itself. */
export function nearestTwin(result: Result, results: readonly Result[], axes: Axes): Result | null {
  const learns = ({ recipe }: Result): boolean => {
    const from = axes.rounding.find(({ kind }) => kind === recipe.rounding.kind)?.learnsFrom ?? 'none'
    return from !== 'none'
  }
  if (!learns(result)) return null
  const key = withoutRounding(result.recipe, axes)
  return results.find((other) => !learns(other) && withoutRounding(other.recipe, axes) === key) ?? null
}

/** Everything but name and rounding, with defaults written out, so that two ways of saying the same are the same. */
function withoutRounding({ transform, grid, allocation, embedding, head, overrides }: Recipe, axes: Axes): string {
  const whole = (choice: AxisChoice, members: Axes['grid']): AxisChoice => {
    const fields = members.find(({ kind }) => kind === choice.kind)?.fields ?? []
    const settings = { ...Object.fromEntries(fields.map((field) => [field.key, field.default])), ...choice }
    return { kind: choice.kind, ...Object.fromEntries(Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))) }
  }
  const kept = overrides.map(({ match, grid: of }) => ({ match, grid: of === 'float' ? of : whole(of, axes.grid) }))
  return JSON.stringify([
    whole(transform, axes.transform),
    whole(grid, axes.grid),
    whole(allocation, axes.allocation),
    embedding,
    head,
    kept,
  ])
}

/** What a layer's output error became of its twin's: -0.3 is 30 % less. `null` where the twin has none to compare with. */
export function gainOver(layer: LayerResult, twinError: number | null): number | null {
  const { outputError } = layer
  return outputError === null || twinError === null || twinError === 0 ? null : outputError / twinError - 1
}

export interface Bought {
  /** Change of the summed output error of all layers that both have; -0.3 is 30 % less. */
  readonly change: number
  readonly layers: number
  /** Layers in which rounding by the text did worse than nearest. */
  readonly worse: number
  readonly best: LayerResult
  readonly bestChange: number
}

/** What calibration bought over nearest, layer by layer; `null` when no layer can be compared. */
export function boughtOver(layers: readonly LayerResult[], twin: readonly LayerResult[]): Bought | null {
  const errors = new Map(twin.map(({ name, outputError }) => [name, outputError]))
  const pairs = layers.flatMap((layer) => {
    const before = errors.get(layer.name) ?? null
    const after = layer.outputError
    const change = gainOver(layer, before)
    return before === null || after === null || change === null ? [] : [{ layer, before, after, change }]
  })
  const best = pairs.toSorted((one, other) => one.change - other.change)[0]
  if (best === undefined) return null
  const sum = (of: (pair: (typeof pairs)[number]) => number): number => pairs.reduce((total, pair) => total + of(pair), 0)
  return {
    change: sum(({ after }) => after) / sum(({ before }) => before) - 1,
    layers: pairs.length,
    worse: pairs.filter(({ change }) => change > 0).length,
    best: best.layer,
    bestChange: best.change,
  }
}
