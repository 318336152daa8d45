import type { ByteSource } from '../io/byte-source.ts'

/** What a feature may cost is an assertion, not a hope: counts requests and bytes of a source. */
export interface CountedSource extends ByteSource {
  readonly requests: number
  readonly bytesRead: number
  /** Every range asked for, in order. */
  readonly ranges: readonly (readonly [start: number, end: number])[]
}

export function countingSource(source: ByteSource): CountedSource {
  const ranges: [number, number][] = []
  return {
    name: source.name,
    sizeBytes: source.sizeBytes,
    ...(source.contentId === undefined ? {} : { contentId: source.contentId }),
    get requests() {
      return ranges.length
    },
    get bytesRead() {
      return ranges.reduce((sum, [start, end]) => sum + end - start, 0)
    },
    ranges,
    read(start, end, signal) {
      ranges.push([start, end])
      return source.read(start, end, signal)
    },
  }
}
