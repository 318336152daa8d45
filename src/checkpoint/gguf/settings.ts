import { StudioError } from '../../core/errors.ts'
import type { GgufEntry, GgufScalar } from '../../formats/gguf/types.ts'

/** The metadata of a GGUF file, asked for by key and kind. Every method throws `config-invalid` for a value of another kind. */
export class GgufSettings {
  readonly #file: string
  readonly #values: ReadonlyMap<string, GgufEntry['value']>

  constructor(file: string, entries: readonly GgufEntry[]) {
    this.#file = file
    this.#values = new Map(entries.map(({ key, value }) => [key, value]))
  }

  /** `null` when the file does not say. */
  number(key: string): number | null {
    const value = this.#values.get(key)?.value
    if (value === undefined) return null
    const number = typeof value === 'bigint' ? Number(value) : value
    if (typeof number === 'number') return number
    throw this.invalid(`${key} is no number.`)
  }

  text(key: string): string | null {
    const value = this.#values.get(key)?.value
    if (value === undefined || typeof value === 'string') return value ?? null
    throw this.invalid(`${key} is no text.`)
  }

  flag(key: string): boolean | null {
    const value = this.#values.get(key)?.value
    if (value === undefined || typeof value === 'boolean') return value ?? null
    throw this.invalid(`${key} is neither true nor false.`)
  }

  texts(key: string): readonly string[] | null {
    return this.#list(key, (value): value is string => typeof value === 'string')
  }

  numbers(key: string): readonly number[] | null {
    return this.#list(key, (value): value is number => typeof value === 'number')
  }

  /** The value of a key that a model cannot do without. */
  required<T>(key: string, value: T | null): T {
    if (value !== null) return value
    throw this.invalid(`It does not say ${key}.`)
  }

  invalid(message: string): StudioError {
    return new StudioError('config-invalid', {
      title: 'This GGUF file cannot be used',
      message: `${this.#file}: ${message}`,
      remedy: 'Fetch the file again, or take another one of this model.',
      details: { file: this.#file },
    })
  }

  #list<T extends GgufScalar>(key: string, isKind: (value: GgufScalar) => value is T): readonly T[] | null {
    const found = this.#values.get(key)
    if (found === undefined) return null
    if (found.type === 'array' && found.value.every(isKind)) return found.value
    throw this.invalid(`${key} is not a list of one kind.`)
  }
}
