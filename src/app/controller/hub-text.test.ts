import { afterEach, describe, expect, it } from 'vitest'
import type { HubTextQuestion, StudioService } from '../../rpc/contract.ts'
import { initialTextsState, textsStore } from '../../state/texts-store.ts'
import { createFakeService } from '../../testing/fake-service.ts'
import { createHubText } from './hub-text.ts'

afterEach(() => textsStore.setState(initialTextsState, true))

const fake = createFakeService({ pace: 0 })

function controller(hubText: StudioService['hubText'] = (...call) => fake.hubText(...call)) {
  const questions: HubTextQuestion[] = []
  const service: StudioService = {
    ...fake,
    hubText: (question, onProgress, signal) => {
      questions.push(question)
      return hubText(question, onProgress, signal)
    },
  }
  return { ...createHubText({ service }), questions }
}

describe('a text of the Hub on the page', () => {
  it('is taken for its purpose, and the other text stays', async () => {
    const { takeHubText, questions } = controller()
    textsStore.setState({ seed: 5 })
    expect(await takeHubText('calibration', 'o/n:small', null)).toBe(true)
    const { calibration, evaluation, hub } = textsStore.getState()
    expect(calibration).toMatchObject({ name: 'o/n small @0c0ffee', origin: 'hub' })
    expect(evaluation).toBeNull()
    expect(hub.calibration).toEqual({ kind: 'idle' })
    expect(questions).toEqual([{ id: 'o/n:small', accessToken: null, purpose: 'calibration', wantedTokens: 131_072, seed: 5 }])
  })

  it('is asked for with enough tokens for what is set', async () => {
    const { takeHubText, questions } = controller()
    textsStore.setState({ calibrationTokens: 65_536, usesChatTemplate: true, maxTokens: 102_400 })
    await takeHubText('calibration', 'o/n', null)
    await takeHubText('evaluation', 'o/n', null)
    expect(questions.map(({ wantedTokens }) => wantedTokens)).toEqual([524_288, 524_288])
  })

  it('that cannot be had is a fault beside its form, and changes no text', async () => {
    const { takeHubText } = controller()
    expect(await takeHubText('evaluation', 'o/gated', null)).toBe(false)
    expect(textsStore.getState()).toMatchObject({
      evaluation: null,
      hub: { evaluation: { kind: 'failed', fault: { code: 'hub-forbidden' } } },
    })
    expect(await takeHubText('evaluation', 'o/gated', 'hf_x')).toBe(true)
  })

  it('shows how far it is, and is dropped when it is stopped', async () => {
    let finish = (): void => undefined
    const { takeHubText, stopHubText } = controller(async (question, onProgress) => {
      onProgress({ text: '1 MB received', filesDone: 0, files: 0, bytesRead: 1e6 })
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return { name: question.id, text: 'late', documents: 1, tokens: 1 }
    })
    const taking = takeHubText('calibration', 'o/n', null)
    expect(textsStore.getState().hub.calibration).toEqual({ kind: 'fetching', progress: '1 MB received' })
    stopHubText('calibration')
    finish()
    expect(await taking).toBe(false)
    expect(textsStore.getState()).toMatchObject({ calibration: null, hub: { calibration: { kind: 'idle' } } })
  })
})
