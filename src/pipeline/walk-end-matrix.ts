import { layerFigures } from '../evaluation/layer-figures.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { Matrix } from '../kernels/contract/kernels.ts'
import { addSums, noSums } from '../kernels/weight-sums.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import type { EndMatrix } from '../quantization/transform.ts'
import { describe } from './measure.ts'
import type { StoredTensorWriter } from './stored-tensor.ts'
import { rowsOfTile } from './tiles.ts'
import { isOnGrid, quantizeMatrix, type RecipeRun, resolvedOf, type WalkContext } from './walk-context.ts'
import { dequantize, readRows } from './weights.ts'

/** Squares of what a matrix gets wrong and of what it gives, summed over its rows. */
export interface OutputSums {
  error: number
  signal: number
}

export interface MeasuredTile {
  /** Of the checkpoint, and what stands for it, both in the checkpoint's space. */
  readonly weight: Matrix
  readonly approximation: Float32Array<ArrayBuffer>
  readonly rowStart: number
}

/**
 * The embedding or the head of a recipe, tile by tile over its rows: changed by the recipe's transform, quantized where it is
 * on a grid, stored, and measured. Returns its figures, `null` for one that stays float. No more than a tile is in memory.
 */
export async function storeEndMatrix(
  context: WalkContext,
  run: RecipeRun,
  matrix: {
    /** Name in the recipe's graph. */
    readonly name: string
    /** Name in the checkpoint of the rows it is made from. */
    readonly source: string
    readonly change: EndMatrix | null
    readonly writer: StoredTensorWriter
    /** Adds a tile to the sums over outputs. */
    readonly measure: (output: OutputSums, tile: MeasuredTile) => Promise<void>
  },
): Promise<LayerResult | null> {
  const { kernels, progress, signal, checkpoint } = context
  const { change, writer, name } = matrix
  const tensor = resolvedOf(run, name)
  const { rows, columns } = tensor
  const output = { error: 0, signal: 0 }
  let sums = noSums
  const step = rowsOfTile(tensor)
  for (let rowStart = 0; rowStart < rows; rowStart += step) {
    const rowEnd = Math.min(rowStart + step, rows)
    const data = await readRows(checkpoint, matrix.source, { rowStart, rowEnd, columns }, signal)
    const shape = { rows: rowEnd - rowStart, columns }
    const changed = change?.apply(data) ?? data
    if (!isOnGrid(tensor)) {
      const tile: QuantizedTensor<'float'> = { name, ...shape, encoding: 'float', values: changed }
      await writer.append(tile, rows, rowStart)
      continue
    }
    const quantized = await progress.quantized(data.length, () =>
      quantizeMatrix(context, run.recipe, tensor, { weight: { ...shape, data: changed }, activations: null, importance: null }),
    )
    await writer.append(quantized, rows, rowStart)
    const values = await dequantize(kernels, quantized, signal)
    const approximation = change?.restore(values) ?? values
    sums = addSums(sums, await kernels.compareWeights(data, approximation, signal))
    await matrix.measure(output, { weight: { ...shape, data }, approximation, rowStart })
  }
  return sums === noSums ? null : { ...describe(tensor), ...layerFigures(sums, output) }
}
