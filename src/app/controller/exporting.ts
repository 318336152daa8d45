import {
  type ExportChoice,
  type ExportJob,
  exportsStore,
  isSameChoice,
  optionsOf,
  updateJob,
  writtenJob,
} from '../../state/exports-store.ts'
import { faultOf } from '../../state/fault.ts'
import { modelStore } from '../../state/model-store.ts'
import { runStore } from '../../state/run-store.ts'
import { testDriveStore } from '../../state/test-drive-store.ts'
import { announce, notify } from '../../state/ui-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import { type ControllerContext, createSlot, isStopped } from './context.ts'
import { saveAs } from './save-as.ts'
import { tarOf } from './tar.ts'

type ExportActions = Pick<StudioActions, 'exportChosen' | 'retryExport' | 'stopExport' | 'download' | 'downloadFile'>

/** Not in the DOM library yet (File System Access, a WICG draft). */
type DirectoryPicker = (options: { readonly mode: 'readwrite'; readonly id: string }) => Promise<FileSystemDirectoryHandle>

export const directoryPicker = (): DirectoryPicker | null => {
  const picker = (globalThis as { showDirectoryPicker?: DirectoryPicker }).showDirectoryPicker
  return picker === undefined ? null : picker.bind(globalThis)
}

export function createExporting({ service }: ControllerContext): ExportActions {
  const exporting = createSlot()

  const write = async (job: ExportJob, place: FileSystemDirectoryHandle | null, signal: AbortSignal): Promise<void> => {
    const planHash = runStore.getState().report?.planHash
    if (planHash === undefined) return
    const started = performance.now()
    updateJob(job, { status: 'working', progress: null, result: null, fault: null })
    // They were about the files that are replaced.
    testDriveStore.setState(({ drives }) => ({ drives: drives.filter((drive) => !isSameChoice(drive, job)) }))
    try {
      // Each export has a folder of its own, so that file names of two recipes cannot meet.
      const folder =
        place === null
          ? null
          : await (await place.getDirectoryHandle(job.recipeId, { create: true })).getDirectoryHandle(job.targetId, { create: true })
      const request = { planHash, recipeId: job.recipeId, targetId: job.targetId, options: job.options, destination: folder }
      const result = await service.exportRecipe(request, (progress) => updateJob(job, { progress }), signal)
      updateJob(job, { status: 'done', result, seconds: (performance.now() - started) / 1000 })
      announce(`${job.recipeId} is written and checked.`)
    } catch (error) {
      if (isStopped(error, signal)) updateJob(job, { status: 'waiting', progress: null })
      else {
        updateJob(job, { status: 'failed', fault: faultOf(error) })
        announce(faultOf(error).title)
      }
    }
  }

  const writeAll = async (jobs: readonly ExportJob[], place: FileSystemDirectoryHandle | null): Promise<void> => {
    const signal = exporting.begin()
    for (const job of jobs) if (!signal.aborted) await write(job, place, signal)
    const storage = await service.storage().catch(() => null)
    if (storage !== null) modelStore.setState({ storage })
  }

  const download = async (choice: ExportChoice): Promise<void> => {
    const job = exportsStore.getState().jobs.find((candidate) => isSameChoice(candidate, choice))
    const { files = [], storedPaths = [] } = job?.result ?? {}
    const model = modelStore.getState().summary?.name.split('/').at(-1) ?? 'model'
    const folder = `${model}-${choice.recipeId}-${choice.targetId}`
    try {
      const entries = await Promise.all(
        storedPaths.map(async (path, index) => ({ path: `${folder}/${files[index]?.path ?? path}`, file: await service.readExport(path) })),
      )
      saveAs(tarOf(entries), `${folder}.tar`)
    } catch (error) {
      notify(faultOf(error).message)
    }
  }

  const downloadFile = async (storedPath: string, path: string): Promise<void> => {
    try {
      saveAs(await service.readExport(storedPath), path.slice(path.lastIndexOf('/') + 1))
    } catch (error) {
      notify(faultOf(error).message)
    }
  }

  return {
    async exportChosen(destination) {
      let place: FileSystemDirectoryHandle | null = null
      if (destination === 'picked') {
        try {
          place = (await directoryPicker()?.({ mode: 'readwrite', id: 'exports' })) ?? null
        } catch {
          return // The person closed the picker.
        }
        if (place === null) return
      }
      const state = exportsStore.getState()
      const next = state.chosen.map((choice): ExportJob => {
        const done = writtenJob(state, choice)
        if (done?.destination === destination) return done
        const options = optionsOf(state, choice)
        return { ...choice, options, status: 'waiting', progress: null, result: null, fault: null, seconds: null, destination }
      })
      exportsStore.setState({ jobs: next })
      await writeAll(
        next.filter((job) => job.status !== 'done'),
        place,
      )
    },
    async retryExport(choice) {
      const job = exportsStore.getState().jobs.find((candidate) => isSameChoice(candidate, choice))
      if (job !== undefined) await writeAll([{ ...job, destination: 'stored' }], null)
    },
    stopExport() {
      exporting.stop()
    },
    download,
    downloadFile,
  }
}
