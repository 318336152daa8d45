// Blocks of 32 by importance, four or eight at a time as lanes. Blocks of a piece follow each other over the ends of rows.
import { ROW_WEIGHTS, squareSum, transposeBlocks, VALUES, weigh, WEIGHTS } from './scratch'

/** Mean of the squares of the row that the last weighed block lies in. */
let rowSquare: f32 = 0

/** ROW_WEIGHTS of `many` blocks at x, the first of them being block `first` of the piece, with rows of `perRow` blocks. */
@inline
export function weighBlocks(x: usize, first: i32, many: i32, perRow: i32, importance: usize): void {
  for (let k = 0; k < many; k++) {
    const column = (first + k) % perRow
    const at = <usize>k << 7
    if (column == 0) rowSquare = squareSum(x + at, perRow << 5) / <f32>(perRow << 5)
    weigh(x + at, importance + (<usize>column << 7), rowSquare, 128, ROW_WEIGHTS + at)
  }
}

/** VALUES and WEIGHTS of four lanes from the blocks at x and ROW_WEIGHTS + from; `left` blocks are there. */
@inline
export function takeLanes(x: usize, from: usize, to: usize, left: i32): void {
  transposeBlocks(VALUES + to, x, left)
  transposeBlocks(WEIGHTS + to, ROW_WEIGHTS + from, left)
}
