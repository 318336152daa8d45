import type { Kernels } from '../../kernels/contract/kernels.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import type { StoredTile } from '../stored-tiles.ts'

/**
 * Compares a stored tile with the values that a file gives for it. Bit by bit; where the operator multiplies in another order than
 * the grid (int8 rows: code * (scale / 127) instead of (code * scale) / 127), within two units of the last place.
 */
export async function proveTile(
  { tile, rowStart }: StoredTile,
  found: Float32Array<ArrayBuffer>,
  kernels: Kernels,
  signal?: AbortSignal,
): Promise<void> {
  const expected = await storage.get(tile.encoding).dequantize(tile, kernels, signal)
  if (tile.encoding === 'int8-rows') proveClose(tile.name, found, expected)
  else proveEqual(`Tensor ${tile.name}`, found, expected, rowStart * tile.columns)
}

/** Two units of the last place of an f32. */
const closeness = 2 ** -22

function proveClose(name: string, found: Float32Array, expected: Float32Array): void {
  const at = found.findIndex((value, i) => !(Math.abs(value - (expected[i] ?? 0)) <= closeness * Math.abs(expected[i] ?? 0)))
  if (at >= 0) throw proofFailed(`Tensor ${name}`, `differs after reading back: ${found[at] ?? 0} instead of ${expected[at] ?? 0}`)
}
