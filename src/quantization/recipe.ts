/**
 * A recipe is a point in transform x grid x rounding x allocation, as data: small, validated, shareable.
 * Each axis is open: members live in `transforms/ grids/ rounding/ allocation/`, one file each, and validate their own
 * settings; this file knows only that an axis has a `kind`.
 */
export interface AxisChoice {
  readonly kind: string
  readonly [setting: string]: unknown
}

export interface Recipe {
  /** Preset id or a name the person gave; also the folder name of its artifacts: [A-Za-z0-9._+-]{1,80}. */
  readonly id: string
  readonly transform: AxisChoice
  readonly grid: AxisChoice
  readonly rounding: AxisChoice
  readonly allocation: AxisChoice
  /** Quantize the token embedding / the head with the same grid, or leave them as they are (default). */
  readonly embedding: 'float' | 'grid'
  readonly head: 'float' | 'grid'
  /** First match wins. `match` is a glob on checkpoint names (`*` any run of characters). */
  readonly overrides: readonly TensorOverride[]
}

export interface TensorOverride {
  readonly match: string
  /** Another grid, or float. */
  readonly grid: AxisChoice | 'float'
}
