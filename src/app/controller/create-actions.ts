import type { StudioService } from '../../rpc/contract.ts'
import { forgetStored } from '../../state/exports-store.ts'
import { faultOf } from '../../state/fault.ts'
import { modelStore } from '../../state/model-store.ts'
import { notify } from '../../state/ui-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import type { ControllerContext } from './context.ts'
import { createExporting, directoryPicker } from './exporting.ts'
import { createGenerating } from './generating.ts'
import { createHubText } from './hub-text.ts'
import { createImportance } from './importance.ts'
import { createOpening } from './opening.ts'
import { createRecipeActions } from './recipes.ts'
import { createRunning } from './running.ts'
import { createTestDriving } from './test-driving.ts'

/** All actions of the page over its services. */
export function createActions(context: ControllerContext): StudioActions {
  const { service } = context
  const { openSampleQuietly, ...opening } = createOpening(context)
  return {
    ...opening,
    ...createRecipeActions(context),
    ...createRunning(context, openSampleQuietly),
    ...createGenerating(context),
    ...createExporting(context),
    ...createImportance(context),
    ...createHubText(context),
    ...createTestDriving(context),
    canPickFolder: directoryPicker() !== null,
    async configure(settings) {
      try {
        modelStore.setState({ settings, environment: await service.configure(settings) })
      } catch (error) {
        notify(faultOf(error).message)
      }
    },
    async clearStorage(kind) {
      try {
        const storage = await service.clearStorage(kind)
        forgetStored(kind)
        modelStore.setState({ storage, unfinished: kind === 'runs' ? null : modelStore.getState().unfinished })
        notify('Cleared.')
        return storage
      } catch (error) {
        notify(faultOf(error).message)
        return null
      }
    },
  }
}

/** What the page asks once at its start. */
export async function loadBeginning(service: StudioService): Promise<void> {
  try {
    const environment = await service.configure(modelStore.getState().settings)
    const [catalogue, storage] = await Promise.all([service.catalogue(), service.storage()])
    modelStore.setState({ environment, catalogue, storage })
  } catch (error) {
    modelStore.setState({ serviceFault: faultOf(error) })
  }
}
