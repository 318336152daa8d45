import type { StudioService } from '../../rpc/contract.ts'
import { faultOf } from '../../state/fault.ts'
import { addRecipes } from '../../state/recipes-store.ts'
import { notify } from '../../state/ui-store.ts'

/** Puts the recipes of a link on the shelf; the address becomes `#recipes`, so that a reload keeps no stale link. */
export async function openLinkedRecipes(service: StudioService, fragment: string): Promise<void> {
  try {
    addRecipes(await service.recipesFromLink(fragment))
  } catch (error) {
    notify(`The link's recipes cannot be read. ${faultOf(error).message}`)
  }
  history.replaceState(null, '', `${location.pathname}${location.search}#recipes`)
}
