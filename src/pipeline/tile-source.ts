import type { Matrix, StoredMatrix } from '../kernels/contract/kernels.ts'
import type { BlockTensors } from '../quantization/transform.ts'
import type { Tile, Unit } from './tiles.ts'
import { type RecipeRun, transformOf, type WalkContext } from './walk-context.ts'
import { readBlock } from './weights.ts'

/**
 * Weights of tiles as recipes quantize them. Without a transform they come straight from the checkpoint; a transform needs
 * its whole block, which is read once for each such recipe and kept until the block's end. Values are not checked here: the
 * quantizers refuse what is not finite.
 */
export class TileSource {
  readonly #context: WalkContext
  readonly #transformed = new Map<string, Promise<BlockTensors>>()

  constructor(context: WalkContext) {
    this.#context = context
  }

  isTransformed(run: RecipeRun, { unit }: Tile): boolean {
    return unit.block !== null && run.recipe.transform.kind !== 'none'
  }

  /** Rows as the checkpoint holds them. */
  async stored({ name, columns, rowStart, rowEnd }: Tile): Promise<StoredMatrix> {
    const { checkpoint, signal } = this.#context
    const bytes = await checkpoint.readRaw(name, { rowStart, rowEnd }, signal)
    return { bytes, dtype: checkpoint.tensors.get(name)?.dtype ?? 'F32', rows: rowEnd - rowStart, columns }
  }

  /** The same rows in f32, after the recipe's transform. */
  async matrix(run: RecipeRun, tile: Tile): Promise<Matrix> {
    const { name, columns, rowStart, rowEnd, unit } = tile
    const { checkpoint, signal } = this.#context
    const shape = { rows: rowEnd - rowStart, columns }
    if (unit.block === null || !this.isTransformed(run, tile)) {
      return { ...shape, data: await checkpoint.readFloat(name, { rowStart, rowEnd }, signal) }
    }
    const key = keyOf(unit, run)
    const tensors = this.#transformed.get(key) ?? this.#transform(run, unit.block)
    this.#transformed.set(key, tensors)
    const role = unit.block.linears.find(({ weight }) => weight === name)?.role ?? ''
    const whole = (await tensors)[role]
    if (whole === undefined) throw new RangeError(`the transform left out ${name}`)
    return { ...shape, data: whole.subarray(rowStart * columns, rowEnd * columns) }
  }

  /** Lets go of a unit that is stored. */
  forget(unit: Unit): void {
    for (const run of this.#context.recipes) this.#transformed.delete(keyOf(unit, run))
  }

  async #transform(run: RecipeRun, block: NonNullable<Unit['block']>): Promise<BlockTensors> {
    const { checkpoint, signal } = this.#context
    const { member, settings } = transformOf(run.recipe)
    return member.apply(block, await readBlock(checkpoint, block, signal), { settings, signal })
  }
}

function keyOf(unit: Unit, run: RecipeRun): string {
  return `${unit.name} ${run.recipe.id}`
}
