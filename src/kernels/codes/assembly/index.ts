// What the module exports. Pointers are byte offsets into its memory, from heapBase() on. Up to 16 bytes past the end of what is asked
// for are read, and written of what is made.
export { sameBytes, sameFields, sameQ8, sameTrits } from './compare'
export { flipBytes, splitQ8, widenFields, widenTrits } from './make'

export function heapBase(): usize {
  return __heap_base
}
