import { type CodeBookName, codeBooks, memberBits } from '../code-books.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

/** The tables of code books in the memory of one instance: each is unpacked at its first use and then stays. */
export class Lattices {
  readonly #wasm: KernelExports
  readonly #arena: Arena
  readonly #places = new Map<CodeBookName, number>()

  constructor(wasm: KernelExports, arena: Arena) {
    this.#wasm = wasm
    this.#arena = arena
  }

  /** Where the tables of a book begin. Ends the call that the arena was holding arrays for. */
  place(name: CodeBookName): number {
    const known = this.#places.get(name)
    if (known !== undefined) return known
    const { dimensions, levels, shells } = codeBooks[name]
    this.#arena.reset()
    const members = this.#arena.put(memberBits(codeBooks[name]))
    const tables = this.#arena.take(0)
    this.#arena.keep(this.#wasm.prepareLattice(members, dimensions, levels, shells, tables))
    this.#places.set(name, tables)
    return tables
  }
}
