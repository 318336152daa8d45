import { faultOf } from '../../state/fault.ts'
import { type HubTextState, type TextPurpose, textsStore } from '../../state/texts-store.ts'
import { announce } from '../../state/ui-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import { type ControllerContext, createSlot, isStopped } from './context.ts'

/** Windows can be chosen from so much without fetching again: 512 windows of 256 tokens. */
const FEWEST_CALIBRATION_TOKENS = 131_072
/** A window takes the beginning of a conversation, so conversations must have more tokens than are wanted. */
const CHAT_FACTOR = 8
/** The test split of WikiText-2 has some 300,000. */
const FEWEST_EVALUATION_TOKENS = 524_288

function wantedTokens(purpose: TextPurpose): number {
  const { calibrationTokens, usesChatTemplate, maxTokens } = textsStore.getState()
  if (purpose === 'evaluation') return Math.max(maxTokens ?? 0, FEWEST_EVALUATION_TOKENS)
  return Math.max(calibrationTokens * (usesChatTemplate ? CHAT_FACTOR : 1), FEWEST_CALIBRATION_TOKENS)
}

/** Texts of data sets of the Hub, one of each purpose at a time. */
export function createHubText({ service }: Pick<ControllerContext, 'service'>): Pick<StudioActions, 'takeHubText' | 'stopHubText'> {
  const slots = { calibration: createSlot(), evaluation: createSlot() }
  return {
    async takeHubText(purpose, id, accessToken) {
      const slot = slots[purpose]
      const signal = slot.begin()
      const tell = (state: HubTextState): void => {
        if (slot.isCurrent(signal)) textsStore.setState(({ hub }) => ({ hub: { ...hub, [purpose]: state } }))
      }
      tell({ kind: 'fetching', progress: null })
      try {
        const { seed } = textsStore.getState()
        const question = { id, accessToken, purpose, wantedTokens: wantedTokens(purpose), seed }
        const found = await service.hubText(question, ({ text }) => tell({ kind: 'fetching', progress: text }), signal)
        if (!slot.isCurrent(signal) || signal.aborted) return false
        textsStore.setState({ [purpose]: { name: found.name, text: found.text, origin: 'hub' } })
        tell({ kind: 'idle' })
        announce(`${found.name} is here.`)
        return true
      } catch (error) {
        tell(isStopped(error, signal) ? { kind: 'idle' } : { kind: 'failed', fault: faultOf(error) })
        return false
      }
    },
    stopHubText(purpose) {
      slots[purpose].stop()
      textsStore.setState(({ hub }) => ({ hub: { ...hub, [purpose]: { kind: 'idle' } } }))
    },
  }
}
