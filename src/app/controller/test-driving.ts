import { exportsStore, isSameChoice } from '../../state/exports-store.ts'
import { faultOf } from '../../state/fault.ts'
import { generationStore } from '../../state/generation-store.ts'
import { modelStore } from '../../state/model-store.ts'
import { runStore } from '../../state/run-store.ts'
import { type TestDrive, testDriveStore } from '../../state/test-drive-store.ts'
import { announce } from '../../state/ui-store.ts'
import type { ExportedBlob } from '../../testdrive/contract.ts'
import type { StudioActions } from '../../ui/actions.ts'
import { type ControllerContext, createSlot, isStopped } from './context.ts'

/** As users of these programs measure: some runs to warm up, then ten of 20 tokens. */
const protocol = { tokens: 20, warmUps: 3, runs: 10 } as const

type TestDriveActions = Pick<StudioActions, 'listRuntimes' | 'testDrive' | 'stopTestDrive'>

export function createTestDriving({ service, testDrive }: ControllerContext): TestDriveActions {
  const driving = createSlot()

  const filesOf = async (recipeId: string, targetId: string): Promise<ExportedBlob[]> => {
    const job = exportsStore.getState().jobs.find((candidate) => isSameChoice(candidate, { recipeId, targetId }))
    const files = job?.result?.files ?? []
    const paths = job?.result?.storedPaths ?? []
    return Promise.all(files.map(async ({ path }, index) => ({ path, file: await service.readExport(paths[index] ?? '') })))
  }

  return {
    async listRuntimes() {
      if (testDriveStore.getState().runtimes.length > 0) return
      try {
        testDriveStore.setState({ runtimes: await testDrive.runtimes() })
      } catch {
        // Without the worker there is no test drive; writing and saving go on.
      }
    },

    async testDrive({ recipeId, targetId }, device) {
      const planHash = runStore.getState().report?.planHash
      const runtime = testDriveStore.getState().runtimes.find(({ targets }) => targets.includes(targetId))
      if (planHash === undefined || runtime === undefined) return
      const { prompt } = generationStore.getState()
      const signal = driving.begin()
      const isThis = (drive: TestDrive): boolean => isSameChoice(drive, { recipeId, targetId }) && drive.device === device
      const update = (change: Partial<TestDrive>): void => {
        if (driving.isCurrent(signal))
          testDriveStore.setState(({ drives }) => ({ drives: drives.map((drive) => (isThis(drive) ? { ...drive, ...change } : drive)) }))
      }
      const begun: TestDrive = {
        recipeId,
        targetId,
        device,
        prompt,
        status: 'running',
        progress: null,
        result: null,
        studio: null,
        fault: null,
      }
      testDriveStore.setState(({ drives }) => ({
        drives: [...drives.filter((drive) => !isThis(drive) && drive.status !== 'running'), begun],
      }))
      try {
        const files = await filesOf(recipeId, targetId)
        const threads = modelStore.getState().environment?.threads ?? 1
        const request = { runtimeId: runtime.id, files, device, threads, prompt, ...protocol }
        const result = await testDrive.drive(request, (progress) => update({ progress }), signal)
        update({ result })
        const asked = { prompt, maxTokens: protocol.tokens, temperature: 0, seed: 0, planHash, recipeIds: [recipeId] }
        const continuations = await service.generate(asked, () => undefined, signal)
        update({ status: 'done', studio: continuations.find((continuation) => continuation.recipeId === recipeId) ?? null })
        announce(`${recipeId} has run in ${runtime.title}.`)
      } catch (error) {
        if (isStopped(error, signal))
          testDriveStore.setState(({ drives }) => ({ drives: drives.filter((drive) => drive !== begun && !isThis(drive)) }))
        else update({ status: 'failed', fault: faultOf(error) })
      }
    },

    stopTestDrive() {
      driving.stop()
    },
  }
}
