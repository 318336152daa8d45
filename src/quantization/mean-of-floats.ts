/** Lanes of the vectors that torch sums with, on every x86 processor. */
const lanes = 8
/** Vectors (or numbers) that are summed beside each other. */
const columns = 4
const levels = 4

/**
 * Mean in f32 with the additions in the order of torch's CPU kernel on one thread (ATen `SumKernel.cpp`, cascade sum): four
 * columns of vectors, partial sums of 16 and more carried up through four levels, then lanes and the rest one by one.
 * Part of the specification of nested scales: it fixes the last bits of the offset.
 */
export function meanOfFloats(values: Float32Array): number {
  return Math.fround(sumOfFloats(values) / values.length)
}

function sumOfFloats(values: Float32Array): number {
  if (values.length < lanes) return rowSum(values, 1)[0] ?? 0
  const inVectors = values.length - (values.length % lanes)
  let sum = 0
  for (let i = inVectors; i < values.length; i++) sum = Math.fround(sum + (values[i] ?? 0))
  for (const lane of rowSum(values.subarray(0, inVectors), lanes)) sum = Math.fround(sum + lane)
  return sum
}

/** Sum of vectors of `width`, lane by lane. */
function rowSum(values: Float32Array, width: number): Float32Array {
  const vectors = Math.floor(values.length / width)
  const steps = Math.floor(vectors / columns)
  const stepWidth = columns * width
  const sums = cascade(values.subarray(0, steps * stepWidth), stepWidth)
  for (let i = steps * stepWidth; i < vectors * width; i++) add(sums, i % width, values[i] ?? 0)
  for (let i = width; i < stepWidth; i++) add(sums, i % width, sums[i] ?? 0)
  return sums.subarray(0, width)
}

/** Sum of rows of `width`, column by column; every 2^power rows a level is carried into the next. */
function cascade(values: Float32Array, width: number): Float32Array {
  const rows = values.length / width
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(1, rows))) / levels))
  const step = 2 ** power
  const sums = Array.from({ length: levels }, () => new Float32Array(width))
  const carry = (from: number, to: number): void => {
    const source = sums[from] ?? new Float32Array(width)
    const target = sums[to] ?? source
    for (let column = 0; column < width; column++) add(target, column, source[column] ?? 0)
    if (to > from) source.fill(0)
  }
  const [lowest = new Float32Array(width)] = sums
  const wholeSteps = rows - (rows % step)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) add(lowest, column, values[row * width + column] ?? 0)
    const done = row + 1
    if (done > wholeSteps || done % step !== 0) continue
    for (let level = 1; level < levels; level++) {
      carry(level - 1, level)
      if (Math.floor(done / step ** level) % step !== 0) break
    }
  }
  for (let level = 1; level < levels; level++) carry(level, 0)
  return lowest
}

/** One f32 addition: the array rounds. */
function add(sums: Float32Array, at: number, value: number): void {
  sums[at] = (sums[at] ?? 0) + value
}
