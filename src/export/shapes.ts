import { expectedTensors } from '../models/tensors.ts'
import type { ExportFacts } from './target.ts'

/** Shape of a tensor of the model as the recipe leaves it: a transform may give it a head that the checkpoint has not. */
export function shapeOf({ graph }: Pick<ExportFacts, 'graph'>, name: string): readonly number[] {
  return expectedTensors(graph).find((spec) => spec.name === name)?.shape ?? []
}
