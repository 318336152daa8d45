import { StudioError } from '../core/errors.ts'
import type { ModelFamily, RawConfig } from './family.ts'
import { kindRemark } from './unsupported.ts'

const modules = import.meta.glob<{ default: ModelFamily }>(['./families/*.ts', '!./families/*.test.ts'], { eager: true })

/** Every family, by id. The folder is the list. */
export const families: readonly ModelFamily[] = Object.values(modules)
  .map((module) => module.default)
  .sort((a, b) => (a.id < b.id ? -1 : 1))

/**
 * The family of a config.json. Throws `unsupported-architecture`, whose message names what is not supported, when no family
 * has the type or the one that does refuses the config.
 */
export function familyFor(config: RawConfig): ModelFamily {
  const type = config['model_type']
  const family = families.find(({ modelTypes }) => typeof type === 'string' && modelTypes.includes(type))
  const reasons = [...kindRemark(config, family !== undefined), ...(family?.reject(config) ?? [])]
  if (family !== undefined && reasons.length === 0) return family
  throw new StudioError('unsupported-architecture', {
    title: 'This architecture is not supported yet',
    message: `${reasons.join(' ')} ${workingToday()}`,
    remedy: 'Open another model.',
    details: { modelType: typeof type === 'string' ? type : 'none', reasons: reasons.join('\n') },
  })
}

function workingToday(): string {
  const titles = families.map(({ title }) => title)
  const last = titles.pop() ?? ''
  return `The ${titles.length === 0 ? last : `${titles.join(', ')} and ${last}`} families work today.`
}
