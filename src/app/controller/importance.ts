import { toBase64 } from '../../core/base64.ts'
import { faultOf } from '../../state/fault.ts'
import { runStore } from '../../state/run-store.ts'
import { textsStore } from '../../state/texts-store.ts'
import { announce, notify } from '../../state/ui-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import { bytes } from '../../ui/format/numbers.ts'
import type { ControllerContext } from './context.ts'
import { saveAs } from './save-as.ts'

/** Of the largest models that fit a browser it is a few megabytes; a model dropped by mistake is more. */
const MOST_BYTES = 64_000_000

export function createImportance({ service }: ControllerContext): Pick<StudioActions, 'takeImportance' | 'saveImportance'> {
  return {
    async takeImportance(file) {
      if (file.size > MOST_BYTES) {
        notify(`${file.name} holds ${bytes(file.size)}; an importance matrix of at most ${bytes(MOST_BYTES)} is read.`)
        return
      }
      const content = new Uint8Array(await file.arrayBuffer())
      textsStore.setState({ importance: { fileName: file.name, base64: toBase64(content) } })
      announce(`${file.name} says which inputs matter.`)
    },
    async saveImportance(format) {
      const planHash = runStore.getState().report?.planHash
      if (planHash === undefined) return
      try {
        const file = await service.importanceFile(planHash, format)
        saveAs(file, file.name)
      } catch (error) {
        notify(faultOf(error).message)
      }
    },
  }
}
