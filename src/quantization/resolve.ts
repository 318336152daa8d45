import type { Support } from '../core/support.ts'
import type { GgmlType } from '../kernels/contract/ggml.ts'
import { ggmlTypes } from '../kernels/contract/ggml.ts'
import type { MatrixShape } from '../kernels/contract/kernels.ts'
import type { BlockSpec, ModelGraph, TensorSpec } from '../models/model-graph.ts'
import { blockTensors } from '../models/tensors.ts'
import type { AllocationTensor } from './allocation.ts'
import type { Grid } from './grid.ts'
import type { GridEncoding, TensorEncoding } from './quantized-tensor.ts'
import type { AxisChoice, Recipe } from './recipe.ts'
import { changesEnds, recipeGraph } from './recipe-graph.ts'
import { allocations, grids, roundings, encodings as storage, transforms } from './registry.ts'

/** How one matrix will be stored, and why. */
export interface ResolvedTensor extends AllocationTensor {
  readonly encoding: TensorEncoding
  /** `null` when it stays as it is. */
  readonly grid: { readonly member: Grid; readonly settings: unknown } | null
  /** As results name it: `4bit-g32`, `F16 (fallback of Q4_0)`, `float`. */
  readonly label: string
  /** Why it differs from the recipe's grid; `null` when it does not. */
  readonly reason: string | null
  /** Why the choice is not possible; `null` when it is. */
  readonly refusal: string | null
}

/** Every matrix of the model by checkpoint name: linears in execution order, then embedding, then a separate head. */
export function matricesOf(graph: ModelGraph): AllocationTensor[] {
  const linears = graph.blocks.flatMap((block) =>
    block.linears.map((linear) => ({
      name: linear.weight,
      role: linear.role,
      block: block.index,
      rows: linear.outFeatures,
      columns: linear.inFeatures,
    })),
  )
  const { vocab, hidden } = graph.config
  const embedding = { name: graph.embedding.name, role: 'embedding', block: -1, rows: vocab, columns: hidden }
  const head = graph.head === null ? [] : [{ name: graph.head.name, role: 'head', block: -1, rows: vocab, columns: hidden }]
  return [...linears, embedding, ...head]
}

/**
 * How every matrix of a model is stored under a recipe. Pure: from the graph alone. Order of decision: the first override
 * that matches the name (any matrix, also embedding and head); else embedding and head as the recipe says, where a tied
 * matrix is quantized when either of the two is; else the allocation. The matrices are those of `recipeGraph`.
 */
export function resolveTensors(source: ModelGraph, recipe: Recipe): ReadonlyMap<string, ResolvedTensor> {
  const graph = recipeGraph(source, recipe)
  const allocation = allocations.get(recipe.allocation.kind)
  const settings = allocation.parse(recipe.allocation)
  const { givesImportance: hasImportance } = roundings.get(recipe.rounding.kind)
  const overrides = recipe.overrides.map((override) => ({
    pattern: globPattern(override.match),
    match: override.match,
    grid: override.grid,
  }))
  const resolved = new Map<string, ResolvedTensor>()
  for (const tensor of matricesOf(graph)) {
    const override = overrides.find(({ pattern }) => pattern.test(tensor.name))
    if (override !== undefined) {
      resolved.set(tensor.name, resolveOne(recipe, tensor, override.grid, `override "${override.match}"`))
      continue
    }
    if (!isTreated(tensor, recipe, graph.head === null)) {
      resolved.set(tensor.name, resolveOne(recipe, tensor, 'float', null))
      continue
    }
    const choice = allocation.gridFor(tensor, { settings, base: recipe.grid, graph, hasImportance })
    resolved.set(tensor.name, resolveOne(recipe, tensor, choice, null))
  }
  return resolved
}

/** What exports need of it: the tensors that leave their source encoding; `changed` are those of `changedFloats` and `changedEnds`. */
export function encodingsOf(
  resolved: ReadonlyMap<string, ResolvedTensor>,
  changed: readonly TensorSpec[],
): ReadonlyMap<string, GridEncoding> {
  const encodings = new Map<string, GridEncoding>(changed.map(({ name }) => [name, { encoding: 'float' }]))
  for (const [name, { encoding }] of resolved) if (encoding.encoding !== 'source') encodings.set(name, encoding)
  return encodings
}

/** Tensors of a block that the recipe's transform may change and no grid holds: they are stored and exported in f32. */
export function changedFloats(block: BlockSpec, recipe: Recipe, resolved: ReadonlyMap<string, ResolvedTensor>): TensorSpec[] {
  const transform = transforms.get(recipe.transform.kind)
  const specs = new Map(blockTensors(block).map((spec) => [spec.name, spec]))
  return transform.changes(block, transform.parse(recipe.transform)).flatMap((name) => {
    const spec = specs.get(name)
    return spec === undefined || (resolved.get(name)?.grid ?? null) !== null ? [] : [spec]
  })
}

/** The same for embedding, final norm and head. */
export function changedEnds(source: ModelGraph, recipe: Recipe, resolved: ReadonlyMap<string, ResolvedTensor>): TensorSpec[] {
  if (!changesEnds(recipe)) return []
  const { embedding, finalNorm, head } = recipeGraph(source, recipe)
  const specs = [embedding, finalNorm, ...(head === null ? [] : [head])]
  return specs.filter(({ name }) => (resolved.get(name)?.grid ?? null) === null)
}

/** Bits a matrix takes on its grid in a file, scales included. */
export function encodedBits(shape: MatrixShape, encoding: GridEncoding): number {
  return storage.get(encoding.encoding).fileBits(shape, encoding)
}

/** `*` is any run of characters, everything else is itself. */
export function globPattern(match: string): RegExp {
  return new RegExp(`^${match.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*')}$`)
}

function isTreated(tensor: AllocationTensor, recipe: Recipe, isTied: boolean): boolean {
  if (tensor.block >= 0) return true
  if (isTied) return recipe.embedding === 'grid' || recipe.head === 'grid'
  return recipe[tensor.role === 'head' ? 'head' : 'embedding'] === 'grid'
}

function resolveOne(recipe: Recipe, tensor: AllocationTensor, choice: AxisChoice | 'float', reason: string | null): ResolvedTensor {
  if (choice === 'float') return { ...tensor, encoding: { encoding: 'source' }, grid: null, label: 'float', reason, refusal: null }
  const member = grids.get(choice.kind)
  const settings = member.parse(choice)
  const encoding = member.encoding(tensor, settings)
  const wanted = member.label(settings)
  const support = firstRefusal(recipe, tensor, { member, settings })
  const fallback = fallbackOf(encoding, wanted)
  return {
    ...tensor,
    encoding,
    grid: { member, settings },
    label: fallback === null ? wanted : `${fallback} (fallback of ${wanted})`,
    reason: fallback === null ? reason : `rows of ${tensor.columns} are not a multiple of the block of ${wanted}`,
    refusal: support === true ? null : support,
  }
}

/** What forbids a grid for a matrix: its shape, the recipe's rounding, or that nothing is known of its inputs. */
function firstRefusal(
  recipe: Recipe,
  tensor: AllocationTensor,
  { member, settings }: { readonly member: Grid; readonly settings: unknown },
): Support {
  const byShape = member.supports(tensor, settings)
  if (byShape !== true) return byShape
  const rounding = roundings.get(recipe.rounding.kind)
  const byRounding = rounding.supports(member, rounding.parse(recipe.rounding), { gridSettings: settings, place: 'tensor' })
  if (byRounding !== true) return byRounding
  const place = { grid: member, gridSettings: settings, rounding }
  const byTransform = tensor.block < 0 ? true : (transforms.get(recipe.transform.kind).supportsGrid?.(place) ?? true)
  if (byTransform !== true) return byTransform
  if (tensor.block >= 0 || member.importanceUse(settings) !== 'required') return true
  return `${member.label(settings)} cannot be rounded without knowing which inputs matter, and of the ${tensor.role} that is not measured.`
}

/** The block type that replaced the wanted one, or `null`. */
function fallbackOf(encoding: TensorEncoding, wanted: string): GgmlType | null {
  if (encoding.encoding !== 'ggml' || encoding.type === wanted) return null
  return wanted in ggmlTypes ? encoding.type : null
}
