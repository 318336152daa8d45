/**
 * llama.cpp's `llama` architecture rotates neighbouring rows of a head (2i, 2i+1), Hugging Face rows half a head apart
 * (i, i + D/2). Rows of q and k, and their biases, are therefore re-ordered within each head on the way to GGUF:
 * new[2i] = old[i], new[2i+1] = old[i + D/2] (`LlamaModel.permute` in convert_hf_to_gguf.py).
 */
export interface RowOrder {
  /** Rows of one head. */
  readonly headDim: number
  /** Bytes of one row; one element for a bias. */
  readonly rowBytes: number
}

/** Rows of whole heads in the order of the file. */
export function interleaveRows(rows: Uint8Array<ArrayBuffer>, order: RowOrder): Uint8Array<ArrayBuffer> {
  return reorder(rows, order, (row) => interleavedPosition(row, order.headDim))
}

/** The inverse: rows of whole heads as the checkpoint has them. */
export function separateRows(rows: Uint8Array<ArrayBuffer>, order: RowOrder): Uint8Array<ArrayBuffer> {
  const positions = new Map<number, number>()
  for (let row = 0; row < order.headDim; row++) positions.set(interleavedPosition(row, order.headDim), row)
  return reorder(rows, order, (row) => positions.get(row) ?? row)
}

/** Where row `row` of a head goes. */
function interleavedPosition(row: number, headDim: number): number {
  const half = headDim / 2
  return row < half ? 2 * row : 2 * (row - half) + 1
}

function reorder(rows: Uint8Array<ArrayBuffer>, { headDim, rowBytes }: RowOrder, target: (row: number) => number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(rows.length)
  const targets = Array.from({ length: headDim }, (_, row) => target(row))
  for (let head = 0; head < rows.length; head += headDim * rowBytes) {
    for (let row = 0; row < headDim; row++) {
      const from = head + row * rowBytes
      result.set(rows.subarray(from, from + rowBytes), head + (targets[row] ?? row) * rowBytes)
    }
  }
  return result
}
