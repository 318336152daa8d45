import { type CodeBook, type CodeBookName, codeBooks, memberBits } from '../../code-books.ts'

/** A code book unpacked: its points by index, and which of them stand in for a point outside it. */
export class Lattice {
  readonly points: readonly Uint8Array[]
  readonly #book: CodeBook
  readonly #indices: Int32Array
  readonly #neighbours = new Map<number, readonly number[]>()

  constructor(book: CodeBook) {
    this.#book = book
    this.#indices = new Int32Array(book.levels ** book.dimensions).fill(-1)
    const bits = memberBits(book)
    const points: Uint8Array[] = []
    for (let number = 0; number < this.#indices.length; number++) {
      if ((((bits[number >>> 3] ?? 0) >>> (number & 7)) & 1) === 0) continue
      this.#indices[number] = points.length
      points.push(Uint8Array.from({ length: book.dimensions }, (_, i) => Math.floor(number / book.levels ** i) % book.levels))
    }
    this.points = points
  }

  /** Index of a point, -1 when it is not in the book. */
  indexOf(codes: Uint8Array): number {
    return this.#indices[this.#numberOf(codes)] ?? -1
  }

  /** Indices of the nearest points, by distance and then by index; as many distances as the book has shells. */
  neighboursOf(codes: Uint8Array): readonly number[] {
    const number = this.#numberOf(codes)
    const known = this.#neighbours.get(number)
    if (known !== undefined) return known
    const distances = this.points.map((point) => point.reduce((sum, code, i) => sum + (code - (codes[i] ?? 0)) ** 2, 0))
    const shells = [...new Set(distances)].sort((a, b) => a - b).slice(0, this.#book.shells)
    const neighbours = shells.flatMap((shell) => [...distances.keys()].filter((index) => distances[index] === shell))
    this.#neighbours.set(number, neighbours)
    return neighbours
  }

  #numberOf(codes: Uint8Array): number {
    return codes.reduceRight((number, code) => number * this.#book.levels + code, 0)
  }
}

const lattices = new Map<CodeBookName, Lattice>()

/** The lattice of a code book, unpacked at its first use. */
export function latticeOf(name: CodeBookName): Lattice {
  const known = lattices.get(name)
  if (known !== undefined) return known
  const lattice = new Lattice(codeBooks[name])
  lattices.set(name, lattice)
  return lattice
}
