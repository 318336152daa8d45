import type { Allocation } from './allocation.ts'
import type { Grid } from './grid.ts'
import { Registry } from './member-registry.ts'
import type { Rounding } from './rounding.ts'
import type { Transform } from './transform.ts'

export { encodings } from './encoding-registry.ts'

export const transforms = new Registry<Transform>(
  'transform',
  import.meta.glob<Transform>(['./transforms/*.ts', '!./transforms/*.test.ts'], { eager: true, import: 'default' }),
)
export const grids = new Registry<Grid>(
  'grid',
  import.meta.glob<Grid>(['./grids/*.ts', '!./grids/*.test.ts'], { eager: true, import: 'default' }),
)
export const roundings = new Registry<Rounding>(
  'rounding',
  import.meta.glob<Rounding>(['./rounding/*.ts', '!./rounding/*.test.ts'], { eager: true, import: 'default' }),
)
export const allocations = new Registry<Allocation>(
  'allocation',
  import.meta.glob<Allocation>(['./allocation/*.ts', '!./allocation/*.test.ts'], { eager: true, import: 'default' }),
)
