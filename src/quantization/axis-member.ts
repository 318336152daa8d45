import type { AxisChoice } from './recipe.ts'

/** What a member of any of the four axes of recipes says of itself. `Settings` are what `parse` makes of its part of a recipe. */
export interface AxisMember<Settings = unknown> {
  /** `kind` in recipes. */
  readonly kind: string
  /** A few words for the page, and a sentence or two. */
  readonly title: string
  readonly explanation: string
  /** Place in a list of choices, familiar members first; those without one come after, by kind. */
  readonly order?: number
  /** Form of the settings, for the editor: the page draws it, knowing no member. */
  readonly fields: readonly SettingField[]
  /** Throws `StudioError` `recipe-invalid` naming the field. */
  parse(choice: AxisChoice): Settings
}

/** One setting, by its key in the choice. */
export interface SettingField {
  readonly key: string
  readonly label: string
  readonly input: 'choice'
  readonly options: readonly { readonly value: string | number | boolean; readonly label: string }[]
  readonly default: string | number | boolean
}
