import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kernels, Matrix } from '../../src/kernels/contract/kernels.ts'
import { createWasmKernels } from '../../src/kernels/wasm/index.ts'
import { activationsOf } from '../../src/pipeline/learning.ts'
import { dequantize } from '../../src/pipeline/weights.ts'
import { parseRecipe } from '../../src/quantization/parse-recipe.ts'
import { grids, roundings } from '../../src/quantization/registry.ts'

interface Layer {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly tokens: number
}

/**
 * For each layer of FOLDER: G of its inputs, and its weights after the recipe's rounding and after nearest rounding, all f32.
 * Prints a line for each: what its factor leaves in f32, and by what share the layer then loses more than with one in f64.
 */
export async function main([folder = '', recipeId = '']: readonly string[]): Promise<void> {
  const { signal } = new AbortController()
  const kernels = await createWasmKernels()
  const recipe = parseRecipe(recipeId)
  const grid = grids.get(recipe.grid.kind)
  const gridSettings = grid.parse(recipe.grid)
  const rounding = roundings.get(recipe.rounding.kind)
  const layers = JSON.parse(await readFile(join(folder, 'layers.json'), 'utf8')) as readonly Layer[]
  for (const { name, rows, columns, tokens } of layers) {
    const matrix = async (kind: string, height: number): Promise<Matrix> => {
      const bytes = await readFile(join(folder, `${name}.${kind}`))
      return { data: new Float32Array(new Uint8Array(bytes).buffer), rows: height, columns }
    }
    const weight = await matrix('weight', rows)
    const gram = await kernels.accumulateGram(new Float32Array(columns * columns), await matrix('inputs', tokens))
    const activations = activationsOf(gram, tokens)
    const settings = rounding.parse(recipe.rounding)
    const roundedBy = (by: Kernels) =>
      rounding.quantize(name, weight, { settings, grid, gridSettings, activations, importance: null, kernels: by })
    const rounded = await roundedBy(kernels)
    const nearest = await grid.quantizeNearest(name, weight, { settings: gridSettings, kernels })
    await writeFile(join(folder, `${name}.gram`), gram)
    await writeFile(join(folder, `${name}.studio`), await dequantize(kernels, rounded, signal))
    await writeFile(join(folder, `${name}.nearest`), await dequantize(kernels, nearest, signal))
    const losses: number[] = []
    const residuals: (number | null)[] = []
    for (const f32From of [0, Infinity]) {
      const values = await dequantize(kernels, await roundedBy(withFactors(kernels, f32From, residuals)), signal)
      losses.push(await kernels.traceThroughGram({ ...weight, data: weight.data.map((value, at) => value - (values[at] ?? 0)) }, gram))
    }
    const [quick = Number.NaN, exact = Number.NaN] = losses
    process.stdout.write(`${JSON.stringify({ name, columns, f32Residual: residuals[0] ?? null, lossesApart: quick / exact - 1 })}\n`)
  }
}

/** The same kernels, which try f32 from another width on and note what it left. */
function withFactors(kernels: Kernels, f32From: number, residuals: (number | null)[]): Kernels {
  return {
    ...kernels,
    async factorInverse(gram, options, signal) {
      const factor = await kernels.factorInverse(gram, { ...options, f32From }, signal)
      if (factor.kind === 'factor') residuals.push(factor.f32Residual)
      return factor
    },
  }
}
