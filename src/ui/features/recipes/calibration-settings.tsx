import { Button, NativeSelect, NumberInput, Switch } from '@mantine/core'
import { useRef } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { textsStore } from '../../../state/texts-store.ts'
import { useActions } from '../../actions.ts'
import { count } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { TextChoice } from './text-choice.tsx'
import { contexts } from './text-settings.tsx'

const windowCounts = [8, 16, 32, 64, 128, 256, 512]
const LARGEST_SEED = 2 ** 31 - 1

function ImportanceFile() {
  const { takeImportance } = useActions()
  const importance = useStore(textsStore, (state) => state.importance)
  const input = useRef<HTMLInputElement>(null)
  return (
    <div>
      <h3>Importance matrix</h3>
      <p className="qs-small qs-muted">Says which inputs matter, for recipes that weigh errors by that alone.</p>
      <p style={{ margin: '4px 0 6px' }}>{importance === null ? 'Measured on the calibration text.' : importance.fileName}</p>
      <div className="qs-row">
        <Button size="xs" onClick={() => input.current?.click()}>
          Use an imatrix file
        </Button>
        {importance === null ? null : (
          <Button size="xs" variant="subtle" onClick={() => textsStore.setState({ importance: null })}>
            Measure it
          </Button>
        )}
      </div>
      <input
        ref={input}
        type="file"
        hidden
        accept=".gguf,.dat,.imatrix"
        data-picker="imatrix"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0]
          currentTarget.value = ''
          if (file !== undefined) void takeImportance(file)
        }}
      />
    </div>
  )
}

function Windows() {
  const { calibrationTokens, calibrationContext, seed } = useStore(textsStore)
  const mostPositions = useStore(modelStore, (state) => state.summary?.config.maxPositions ?? 2048)
  const windows = Math.max(1, Math.floor(calibrationTokens / calibrationContext))
  const sorted = (values: readonly number[], own: number): number[] => [...new Set([...values, own])].toSorted((one, other) => one - other)
  const lengths = sorted(
    contexts.filter((length) => length <= mostPositions),
    calibrationContext,
  )
  return (
    <div className="qs-fields" style={{ marginTop: 14 }}>
      <NativeSelect
        label="Windows"
        value={String(windows)}
        data={sorted(windowCounts, windows).map((number) => ({ value: String(number), label: count(number) }))}
        onChange={({ currentTarget: { value } }) => textsStore.setState({ calibrationTokens: Number(value) * calibrationContext })}
      />
      <NativeSelect
        label="Tokens a window"
        value={String(calibrationContext)}
        data={lengths.map((length) => ({ value: String(length), label: count(length) }))}
        onChange={({ currentTarget: { value } }) =>
          textsStore.setState({ calibrationContext: Number(value), calibrationTokens: windows * Number(value) })
        }
      />
      <NumberInput
        label="Seed that draws them"
        value={seed}
        min={0}
        max={LARGEST_SEED}
        allowDecimal={false}
        allowNegative={false}
        onChange={(value) => {
          if (typeof value === 'number' && Number.isInteger(value)) textsStore.setState({ seed: value })
        }}
      />
    </div>
  )
}

/** Whether documents go through the model's chat template, and what becomes of a plain text there. */
function ChatTemplateChoice() {
  const usesChatTemplate = useStore(textsStore, (state) => state.usesChatTemplate)
  const hasChatTemplate = useStore(modelStore, (state) => state.summary?.hasChatTemplate ?? false)
  return (
    <Switch
      size="sm"
      style={{ marginTop: 14 }}
      label="Use the chat template"
      description={
        hasChatTemplate
          ? 'Every window begins a conversation as the model expects it: lines with "messages" as they are, other text as the answer to a neutral request.'
          : 'This model has none: the text is read as it is.'
      }
      disabled={!hasChatTemplate}
      checked={usesChatTemplate && hasChatTemplate}
      onChange={({ currentTarget }) => textsStore.setState({ usesChatTemplate: currentTarget.checked })}
    />
  )
}

/** What recipes learn from; shown when one does. */
export function CalibrationSettings() {
  const tokens = useStore(textsStore, (state) => state.plan?.calibrationTokens ?? 0)
  const coverage = useStore(textsStore, (state) => state.plan?.calibrationCoverage ?? null)
  const covered = coverage === null ? '' : `, ${count(coverage.distinct)} of the ${count(coverage.vocabulary)} in the vocabulary`
  const subtitle = tokens === 0 ? 'What recipes learn from.' : `What recipes learn from: ${count(tokens)} tokens${covered}.`
  return (
    <Card title="Calibrated on" subtitle={subtitle}>
      <div className="qs-grid qs-grid-halves">
        <TextChoice purpose="calibration" isNeeded />
        <ImportanceFile />
      </div>
      <Windows />
      <ChatTemplateChoice />
    </Card>
  )
}
