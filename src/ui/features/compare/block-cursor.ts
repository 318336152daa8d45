import { createStore } from 'zustand/vanilla'

/** Block under the pointer or the keys, shared by the charts over blocks. Apart from the screen, which need not follow it. */
export const blockCursor = createStore<{ readonly block: number | null }>(() => ({ block: null }))

export function pointAtBlock(block: number | null): void {
  if (blockCursor.getState().block !== block) blockCursor.setState({ block })
}
