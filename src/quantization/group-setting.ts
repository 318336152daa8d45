import * as v from 'valibot'
import type { SettingField } from './axis-member.ts'

/** Weights that share what a grid keeps beside its codes: so many columns, or a row. */
export type Group = number | 'channel'

const smallest = 16
const largest = 256

export const groupSchema = v.union([v.pipe(v.number(), v.integer(), v.minValue(smallest), v.maxValue(largest)), v.literal('channel')])

/** What a refusal offers. */
export const groupRemedy = `group ${smallest} to ${largest} or "channel"`

export function groupField(shared: string, preset: Group): SettingField {
  return {
    key: 'group',
    label: `Weights that share ${shared}`,
    input: 'choice',
    options: [
      ...[16, 32, 64, 128, 256].map((group) => ({ value: group, label: `groups of ${group}` })),
      { value: 'channel', label: 'a whole row' },
    ],
    default: preset,
  }
}

/** In an id: `g64`, `channel`. */
export function groupLabel(group: Group): string {
  return group === 'channel' ? group : `g${group}`
}

/** The inverse of `groupLabel`, `null` when the text is none or out of range. */
export function groupFromLabel(label: string): Group | null {
  const match = /^(?:g([1-9]\d*)|channel)$/.exec(label)
  if (match === null) return null
  const group = match[1] === undefined ? 'channel' : Number(match[1])
  return v.is(groupSchema, group) ? group : null
}

/** In a description: `groups of 64`, `one scale a row`. */
export function groupWords(group: Group, shared: string): string {
  return group === 'channel' ? `${shared} a row` : `groups of ${group}`
}

/** Groups worth suggesting. */
export const exampleGroups: readonly Group[] = [16, 32, 64, 128, 256, 'channel']

/** As kernels name it. */
export function kernelGroup(group: Group): number | 'row' {
  return group === 'channel' ? 'row' : group
}
