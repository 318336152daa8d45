import { removeRecipe, undoRemove } from '../../../state/recipes-store.ts'
import { notify } from '../../../state/ui-store.ts'

/** Removes at once and offers the way back. */
export function removeWithUndo(id: string): void {
  removeRecipe(id)
  notify(`${id} is removed.`, undoRemove)
}
