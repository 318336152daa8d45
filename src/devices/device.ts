import data from './devices.json'

export type DeviceGroup = 'single-board' | 'phone' | 'browser' | 'computer' | 'nvidia' | 'jetson' | 'microcontroller'

/** A machine that models are made for: what decides whether one fits, and how fast it can be. */
export interface Device {
  readonly id: string
  readonly label: string
  readonly group: DeviceGroup
  /** Ids of export targets, the usual one first. */
  readonly targets: readonly string[]
  /** What model, cache and runtime may take together on the system as it comes. */
  readonly usableBytes: number
  /** Of its memory by the data sheet, in 10^9 bytes a second. */
  readonly bandwidth: number
  /** Share of the bandwidth at which weights are read in decoding: the smallest, middle and largest seen. */
  readonly efficiency: readonly [low: number, middle: number, high: number]
  /** Milliseconds added once a layer. */
  readonly layerMs: number
  /** No run on this very device is known; the efficiency is that of its nearest relatives. */
  readonly isDerived: boolean
  /** Threads to compute with, where more of them are slower (small cores); `null` leaves it to the runtime. */
  readonly threads: number | null
  readonly notes: readonly string[]
}

/**
 * Measured in public runs until autumn 2026: bytes over bandwidth predicts 112 of them with a median error of 7 %, each without itself.
 */
export const devices: readonly Device[] = data.map((entry) => ({
  ...entry,
  group: entry.group as DeviceGroup,
  efficiency: entry.efficiency as [number, number, number],
  isDerived: entry.isDerived ?? false,
  threads: entry.threads ?? null,
}))

export function deviceById(id: string | null): Device | null {
  return devices.find((device) => device.id === id) ?? null
}
