// What the module exports. Pointers are byte offsets into its memory; rows are staged, and lines lie, from heapBase() on.
// Rows and lines are read up to 64 bytes past the last that is asked for; nothing but what is asked for is written to lines.
export { bytesToFieldLines, bytesToLines, floatsToHalfLines, nibblesToLines, wordsToLines } from './to-lines'
export { fieldLinesToBytes, halfLinesToFloats, linesToBytes, linesToNibbles, linesToWords } from './to-rows'

export function heapBase(): usize {
  return __heap_base
}
