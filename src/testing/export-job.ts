/** A finished export as the page keeps it. */
export const doneJob = {
  recipeId: 'a',
  targetId: 'onnx',
  options: { maxFileBytes: null, device: null },
  status: 'done',
  progress: null,
  result: null,
  fault: null,
  seconds: 1,
  destination: 'stored',
} as const
