import { describe, expect, it } from 'vitest'
import { doneJob } from '../testing/export-job.ts'
import { chooseFormatOption, exportsStore, forgetStored, initialExportsState, optionsOf, writtenJob } from './exports-store.ts'

const activations = { id: 'activations', label: '', explanation: '', values: ['f32', 'f16'] } as const
const choice = { recipeId: 'a', targetId: 'onnx' }

describe('options of an export', () => {
  it('are those of all files with the ones chosen for this recipe in this format', () => {
    exportsStore.setState({ ...initialExportsState, options: { maxFileBytes: 1e6, device: null } }, true)
    chooseFormatOption(choice, activations, 'f16')
    chooseFormatOption(choice, { ...activations, id: 'other', values: ['no', 'yes'] }, 'yes')
    expect(optionsOf(exportsStore.getState(), choice)).toEqual({
      maxFileBytes: 1e6,
      device: null,
      chosen: { activations: 'f16', other: 'yes' },
    })
    expect(optionsOf(exportsStore.getState(), { ...choice, recipeId: 'b' }).chosen).toEqual({})
  })

  it('make a written export another one when they change, and the same again when they change back', () => {
    exportsStore.setState(initialExportsState, true)
    exportsStore.setState({ jobs: [{ ...doneJob, ...choice, options: optionsOf(initialExportsState, choice) }] })
    const written = (): boolean => writtenJob(exportsStore.getState(), choice) !== undefined
    expect(written()).toBe(true)
    chooseFormatOption(choice, activations, 'f16')
    expect(written()).toBe(false)
    chooseFormatOption(choice, activations, 'f32')
    expect(written()).toBe(true)
    exportsStore.setState({ options: { maxFileBytes: 1e6, device: null } })
    expect(written()).toBe(false)
  })
})

describe('exports in storage that is cleared', () => {
  const finished = (recipeId: string, storedPaths: readonly string[]) => ({
    ...doneJob,
    recipeId,
    result: { recipeId, target: 'gguf', files: [], storedPaths, firstCommand: null, notes: [] },
  })
  const left = (): string[] => exportsStore.getState().jobs.map(({ recipeId }) => recipeId)

  it('are forgotten when any of their files was there; those in a folder of the person stay', () => {
    const jobs = [finished('copied', ['exports/a']), finished('in its run', ['runs/b', 'exports/c']), finished('picked', [])]
    exportsStore.setState({ ...initialExportsState, jobs }, true)
    forgetStored('runs')
    expect(left()).toEqual(['copied', 'picked'])
    forgetStored('hub')
    expect(left()).toEqual(['copied', 'picked'])
    forgetStored('exports')
    expect(left()).toEqual(['picked'])
  })
})
