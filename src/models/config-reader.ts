import { StudioError } from '../core/errors.ts'
import type { RawConfig } from './family.ts'

/**
 * Largest extent a config may name. The widest published decoders have 152 k tokens of vocabulary rows times 10; a number
 * past this is a broken file, and would make the tensor list itself exhaust memory.
 */
const maxExtent = 16_777_216

export function configInvalid(message: string, details: Readonly<Record<string, string | number | boolean>> = {}): StudioError {
  return new StudioError('config-invalid', {
    title: 'config.json cannot be used',
    message,
    remedy: 'Fetch config.json again, or correct it; the weights are fine as they are.',
    details,
  })
}

/** An object inside the config; `null` when absent or null. Throws `config-invalid` for anything else. */
export function section(config: RawConfig, key: string): RawConfig | null {
  const value = config[key] ?? null
  if (value === null) return null
  if (typeof value !== 'object' || Array.isArray(value)) throw configInvalid(`config.json: ${key} is not an object.`, { key })
  return value as RawConfig
}

/** A positive whole number. Throws `config-invalid` when it is absent without a default, or anything else. */
export function count(config: RawConfig, key: string, fallback?: number): number {
  const value = config[key] ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= maxExtent) return value
  if (value === undefined) throw configInvalid(`config.json does not say ${key}.`, { key })
  throw configInvalid(`config.json: ${key} is ${JSON.stringify(value)}; a whole number from 1 to ${maxExtent} is needed.`, { key })
}

/** A positive finite number. Throws as `count`. */
export function positive(config: RawConfig, key: string, fallback?: number): number {
  const value = config[key] ?? fallback
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  if (value === undefined) throw configInvalid(`config.json does not say ${key}.`, { key })
  throw configInvalid(`config.json: ${key} is ${JSON.stringify(value)}; a positive number is needed.`, { key })
}

/** Absent and null are the fallback. Throws `config-invalid` when it is no boolean. */
export function flag(config: RawConfig, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback
  if (typeof value === 'boolean') return value
  throw configInvalid(`config.json: ${key} is ${JSON.stringify(value)}; true or false is needed.`, { key })
}

/** Text, or `null` when it is absent or something else. */
export function text(config: RawConfig, key: string): string | null {
  const value = config[key]
  return typeof value === 'string' ? value : null
}

/** A token id or a list of them (`eos_token_id` may be either); absent and null are an empty list. */
export function tokenIds(config: RawConfig, key: string): readonly number[] {
  const value = config[key] ?? []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map((id) => {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0) return id
    throw configInvalid(`config.json: ${key} is ${JSON.stringify(value)}; a token id or a list of them is needed.`, { key })
  })
}

/** `architectures[0]`, or `null` when the config names none. */
export function namedArchitecture(config: RawConfig): string | null {
  const named = config['architectures']
  const first: unknown = Array.isArray(named) ? named[0] : null
  return typeof first === 'string' ? first : null
}
