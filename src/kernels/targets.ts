import { isShared } from '../core/shared-memory.ts'
import type { PieceArray, Targets } from './executor.ts'

/** Copies the arrays of a result to where they belong; returns what else it holds. */
export function deliver(result: unknown, targets: Targets): object {
  const parts = result as Readonly<Record<string, unknown>>
  for (const [name, target] of Object.entries(targets)) target.set(parts[name] as PieceArray)
  return Object.fromEntries(Object.entries(parts).filter(([name]) => !(name in targets)))
}

/** The same with arrays that are all of their buffers, to be handed over: an array that is part of the module's memory is copied out. */
export function owned(result: unknown): unknown {
  if (ArrayBuffer.isView(result)) return ownedArray(result as PieceArray)
  if (typeof result !== 'object' || result === null) return result
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) => [name, ArrayBuffer.isView(value) ? ownedArray(value as PieceArray) : (value as unknown)]),
  )
}

function ownedArray(array: PieceArray): PieceArray {
  return array.byteLength === array.buffer.byteLength ? array : array.slice()
}

/** Whether any thread can write to all of them. */
export function areShared(targets: Targets): boolean {
  return Object.values(targets).every(isShared)
}
