import { recipeInvalid } from './faults.ts'

/**
 * The folders are the registries: a file in `grids/` is a grid. Everything below is found by `kind` and asked through its
 * contract; nobody compares a kind.
 */
export class Registry<Member extends { readonly kind: string }> {
  readonly members: readonly Member[]
  readonly #axis: string

  constructor(axis: string, modules: Readonly<Record<string, Member>>) {
    this.#axis = axis
    this.members = Object.values(modules)
  }

  /** Throws `recipe-invalid` that names what there is. */
  get(kind: string): Member {
    const found = this.members.find((member) => member.kind === kind)
    if (found !== undefined) return found
    const known = this.members.map((member) => `"${member.kind}"`).join(', ')
    throw recipeInvalid(`There is no ${this.#axis} "${kind}".`, `The ${this.#axis} can be ${known}.`)
  }
}
