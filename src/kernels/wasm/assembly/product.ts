// A^T B as products of 8 x 8 tiles over panels of 8 columns.
import { addEdgeTile, packPanels } from './gram'
import { addTile } from './tile.generated'

/**
 * Adds A^T B of A [depth, rows] at left and B [depth, columns] at right to the matrix [rows, columns] at sum. `leftPanels` and
 * `rightPanels` have room for depth * (rows, columns rounded up to 8) f32.
 */
export function accumulateProduct(
  left: usize,
  right: usize,
  depth: i32,
  sum: usize,
  rows: i32,
  columns: i32,
  leftPanels: usize,
  rightPanels: usize,
): void {
  packPanels(left, rows, rows, depth, leftPanels)
  packPanels(right, columns, columns, depth, rightPanels)
  const panels = (columns + 7) >> 3
  for (let j = 0; j < panels; j++) addPanelProducts(leftPanels, rightPanels, depth, sum, rows, columns, j)
}

/** Adds the products of all left panels with right panel j. Exported so that it is compiled on its own, as `addColumnOfTiles` is. */
export function addPanelProducts(leftPanels: usize, rightPanels: usize, depth: i32, sum: usize, rows: i32, columns: i32, j: i32): void {
  const panelBytes = (<usize>depth) << 5
  const b = rightPanels + <usize>j * panelBytes
  const panels = (rows + 7) >> 3
  const stride = (<usize>columns) << 2
  for (let i = 0; i < panels; i++) {
    const a = leftPanels + <usize>i * panelBytes
    const c = sum + <usize>(i << 3) * stride + ((<usize>j) << 5)
    if ((i << 3) + 8 <= rows && (j << 3) + 8 <= columns) addTile(a, b, depth, c, stride)
    else addEdgeTile(a, b, depth, c, stride, min(8, rows - (i << 3)), min(8, columns - (j << 3)))
  }
}
