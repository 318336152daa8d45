import type { ModelGraph } from '../../models/model-graph.ts'
import { divideColumns, scaleColumns } from '../scaling/scaled-block.ts'
import type { ModelEnds } from '../transform.ts'
import type { Rotation } from './rotation.ts'

/**
 * The final norm's gain goes into the head, which reads (h / rms) Q; so a head that was the embedding, which is E Q without a
 * gain, becomes a matrix of its own. Named as checkpoints name one.
 */
export function untied(graph: ModelGraph): ModelGraph {
  if (graph.head !== null) return graph
  return { ...graph, head: { name: 'lm_head.weight', shape: graph.embedding.shape }, config: { ...graph.config, isTied: false } }
}

/** E Q and W diag(g) Q. */
export function rotateEnds(rotation: Rotation, finalNorm: Float32Array<ArrayBuffer>): ModelEnds {
  return {
    states: (rows) => rotation.rows(rows),
    embedding: { apply: (rows) => rotation.rows(rows), restore: (rows) => rotation.rowsBack(rows) },
    finalNorm: new Float32Array(finalNorm.length).fill(1),
    head: {
      apply: (rows) => rotation.rows(scaleColumns(rows, finalNorm)),
      restore: (rows) => divideOrZero(rotation.rowsBack(rows), finalNorm),
    },
  }
}

/** Values / gain, column by column. A gain of 0 lets nothing through, so that the weights behind it are free. */
export function divideOrZero(values: Float32Array<ArrayBuffer>, gain: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const divided = divideColumns(values, gain)
  return gain.includes(0) ? divided.map((value, i) => (gain[i % gain.length] === 0 ? 0 : value)) : divided
}
