import { recipeInvalid } from './faults.ts'

interface Listed {
  readonly kind: string
  /** Place in lists for people; members without one come last, by `kind`. */
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
export class Registry<Member extends Listed> {
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
