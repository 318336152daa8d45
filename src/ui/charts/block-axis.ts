/** Ticks of a block axis of `width` pixels: every block where there is room, else every 2nd, 5th, 10th …; always the first. */
export function blockTicks(blocks: number, width: number): readonly number[] {
  const room = Math.max(1, Math.floor(width / 26))
  const step = [1, 2, 4, 5, 8, 10, 16, 20, 25, 50, 100, 200].find((candidate) => Math.ceil(blocks / candidate) <= room) ?? 500
  const ticks: number[] = []
  for (let block = 0; block < blocks; block += step) ticks.push(block)
  return ticks
}

/** Block whose column holds a pointer at `x`, given where column 0 is centred and how far columns are apart. */
export function blockFromPointer(x: number, { first, step, blocks }: { first: number; step: number; blocks: number }): number {
  return Math.min(blocks - 1, Math.max(0, Math.round((x - first) / step)))
}
