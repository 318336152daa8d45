import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { choicesOf } from '../quantization/choices.ts'
import { isValidRecipe } from '../quantization/parse-recipe.ts'
import type { AxisChoice, Recipe } from '../quantization/recipe.ts'
import { grids, transforms } from '../quantization/registry.ts'
import { encodedBits, type ResolvedTensor, resolveTensors } from '../quantization/resolve.ts'
import type { LayerRisk, RiskCheck, RiskRemedy } from '../rpc/contract.ts'
import { dequantize } from './weights.ts'

/** Linears that are looked at: those of the first, the middle and the last block, and not more than this. */
const mostLinears = 24
/** Rows of each, in evenly spread stretches. */
const stretches = 4
const stretchRows = 16

interface Tools {
  readonly checkpoint: Checkpoint
  readonly kernels: Kernels
  readonly signal: AbortSignal
}

interface Sample {
  readonly tensor: ResolvedTensor
  readonly data: Float32Array<ArrayBuffer>
  readonly rows: number
}

/**
 * What a few rows of a few matrices tell about a recipe before it runs: which lose most when rounded to nearest, where input
 * channels are far louder than the rest, and what the grid's gentler settings would change. Bounded whatever the model's size.
 */
export async function riskCheck(recipe: Recipe, tools: Tools): Promise<RiskCheck> {
  const { graph } = tools.checkpoint
  const resolved = resolveTensors(graph, recipe)
  const blocks = new Set([0, Math.floor(graph.blocks.length / 2), graph.blocks.length - 1])
  const linears = [...resolved.values()].filter((tensor) => tensor.block >= 0 && tensor.grid !== null && tensor.refusal === null)
  const samples: Sample[] = []
  for (const tensor of linears.filter(({ block }) => blocks.has(block)).slice(0, mostLinears)) {
    samples.push(await sampleOf(tensor, tools))
  }
  const layers: LayerRisk[] = []
  for (const sample of samples) layers.push(await riskOf(sample, tools))
  const remedies: RiskRemedy[] = []
  for (const { choice, label } of gentlerChoices(recipe)) {
    const remedy = await remedyOf({ ...recipe, id: renamed(recipe, choice), grid: choice }, label, { samples, layers, tools })
    if (remedy !== null) remedies.push(remedy)
  }
  const found = { recipeId: recipe.id, linears: linears.length, layers, remedies: remedies.toSorted((a, b) => a.errorRatio - b.errorRatio) }
  return { ...found, transforms: helpfulTransforms(recipe, tools.checkpoint) }
}

async function sampleOf(tensor: ResolvedTensor, { checkpoint, signal }: Tools): Promise<Sample> {
  const { name, rows, columns } = tensor
  if (rows <= stretches * stretchRows) return { tensor, data: await checkpoint.readFloat(name, undefined, signal), rows }
  const data = new Float32Array(stretches * stretchRows * columns)
  for (let i = 0; i < stretches; i++) {
    const rowStart = Math.floor((i * (rows - stretchRows)) / (stretches - 1))
    data.set(await checkpoint.readFloat(name, { rowStart, rowEnd: rowStart + stretchRows }, signal), i * stretchRows * columns)
  }
  return { tensor, data, rows: stretches * stretchRows }
}

async function riskOf(sample: Sample, tools: Tools): Promise<LayerRisk> {
  const { tensor, data, rows } = sample
  const { columns } = tensor
  const { columnLargest } = await tools.kernels.describeWeights({ data, rows, columns }, 1, tools.signal)
  const sorted = Float32Array.from(columnLargest).sort()
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const loudest = columnLargest.reduce((best, value, column) => (value > (columnLargest[best] ?? 0) ? column : best), 0)
  const { name, block, role } = tensor
  const outlierRatio = median > 0 ? (columnLargest[loudest] ?? 0) / median : 1
  return { name, block, role, relativeError: await nearestError(sample, tensor, tools), outlierRatio, loudestChannel: loudest }
}

/** |W - Q| / |W| of the sampled rows rounded to nearest; `null` for grids that cannot be rounded without an importance. */
async function nearestError({ data, rows }: Sample, { name, columns, grid }: ResolvedTensor, tools: Tools): Promise<number | null> {
  if (grid === null || grid.member.importanceUse(grid.settings) === 'required') return null
  const { kernels, signal } = tools
  const quantized = await grid.member.quantizeNearest(name, { data, rows, columns }, { settings: grid.settings, kernels, signal })
  const { squaredError, squaredWeight } = await kernels.compareWeights(data, await dequantize(kernels, quantized, signal), signal)
  return squaredWeight > 0 ? Math.sqrt(squaredError / squaredWeight) : 0
}

function gentlerChoices({ grid }: Recipe): readonly { readonly choice: AxisChoice; readonly label: string }[] {
  const member = grids.get(grid.kind)
  return member.gentler?.(member.parse(grid)) ?? []
}

/** `null` where the change is not possible, or changes nothing that can be measured here. */
async function remedyOf(
  recipe: Recipe,
  label: string,
  { samples, layers, tools }: { readonly samples: readonly Sample[]; readonly layers: readonly LayerRisk[]; readonly tools: Tools },
): Promise<RiskRemedy | null> {
  if (!isValidRecipe(recipe)) return null
  const resolved = resolveTensors(tools.checkpoint.graph, recipe)
  let before = 0
  let after = 0
  let extraBits = 0
  let weights = 0
  for (const [index, sample] of samples.entries()) {
    const own = layers[index]?.relativeError ?? null
    const other = resolved.get(sample.tensor.name)
    if (own === null || other === undefined || other.refusal !== null) continue
    const error = await nearestError(sample, other, tools)
    if (error === null) continue
    before += own ** 2
    after += error ** 2
    extraBits += bitsOf(other) - bitsOf(sample.tensor)
    weights += other.rows * other.columns
  }
  return before === 0 ? null : { recipe, label, errorRatio: Math.sqrt(after / before), extraBits: extraBits / weights }
}

const bitsOf = (tensor: ResolvedTensor): number => (tensor.encoding.encoding === 'source' ? 0 : encodedBits(tensor, tensor.encoding))

/** The systematic name where the recipe has one: the grid's part of it is replaced. */
function renamed({ id, grid }: Recipe, choice: AxisChoice): string {
  const member = grids.get(grid.kind)
  const [from, to] = [member.label(member.parse(grid)), member.label(member.parse(choice))]
  return id.endsWith(from) ? `${id.slice(0, id.length - from.length)}${to}` : `${id.slice(0, 60)}-${to}`.slice(0, 80)
}

/** Transforms that do something and that this recipe could take on this model. */
function helpfulTransforms(recipe: Recipe, { graph }: Checkpoint): RiskCheck['transforms'] {
  const choices = choicesOf(recipe, graph).transform
  return transforms.members.flatMap((member) => {
    const { kind, title, fields } = member
    const choice: AxisChoice = { kind, ...Object.fromEntries(fields.map((field) => [field.key, field.default])) }
    if (kind === recipe.transform.kind || choices[kind] !== true || member.label(member.parse(choice)) === '') return []
    return [{ title, recipe: { ...recipe, id: `${recipe.id.slice(0, 60)}-${kind}`, transform: choice } }]
  })
}
