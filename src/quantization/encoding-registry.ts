import type { Encoding } from './encoding.ts'
import { Registry } from './member-registry.ts'

/** How what the grids make is stored. Apart from the other registries, so that members of theirs may ask it. */
export const encodings = new Registry<Encoding>(
  'encoding',
  import.meta.glob<Encoding>(['./encodings/*.ts', '!./encodings/*.test.ts'], { eager: true, import: 'default' }),
)
