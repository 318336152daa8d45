import type { Allocation } from './allocation.ts'
import type { Encoding } from './encoding.ts'
import { recipeInvalid } from './faults.ts'
import type { Grid } from './grid.ts'
import type { Rounding } from './rounding.ts'
import type { Transform } from './transform.ts'

interface Listed {
  readonly kind: string
  readonly order?: number
}

function byOrder(one: Listed, other: Listed): number {
  const [a = Number.MAX_VALUE, b = Number.MAX_VALUE] = [one.order, other.order]
  return a === b ? one.kind.localeCompare(other.kind, 'en') : a - b
}

/**
 * The folders are the registries: a file in `grids/` is a grid. Everything below is found by `kind` and asked through its
 * contract; nobody compares a kind.
 */
class Registry<Member extends Listed> {
  readonly members: readonly Member[]
  readonly #axis: string

  constructor(axis: string, modules: Readonly<Record<string, Member>>) {
    this.#axis = axis
    this.members = Object.values(modules).toSorted(byOrder)
  }

  /** Throws `recipe-invalid` that names what there is. */
  get(kind: string): Member {
    const found = this.members.find((member) => member.kind === kind)
    if (found !== undefined) return found
    const known = this.members.map((member) => `"${member.kind}"`).join(', ')
    throw recipeInvalid(`There is no ${this.#axis} "${kind}".`, `The ${this.#axis} can be ${known}.`)
  }
}

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
/** How what the grids make is stored. */
export const encodings = new Registry<Encoding>(
  'encoding',
  import.meta.glob<Encoding>(['./encodings/*.ts', '!./encodings/*.test.ts'], { eager: true, import: 'default' }),
)
