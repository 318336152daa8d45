import { StudioError } from '../core/errors.ts'

/** A recipe that cannot be understood; `message` names the field, `remedy` the nearest thing that works. */
export function recipeInvalid(message: string, remedy: string): StudioError {
  return new StudioError('recipe-invalid', { title: 'This recipe cannot be used', message, remedy })
}
