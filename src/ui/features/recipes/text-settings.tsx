import { NativeSelect } from '@mantine/core'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { textsStore } from '../../../state/texts-store.ts'
import { count } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { TextChoice } from './text-choice.tsx'

export const contexts = [64, 128, 256, 512, 1024, 2048, 4096, 8192]
const tokenBounds = [2048, 5120, 10_240, 20_480, 40_960, 102_400]

/** Whether a run measures at all. */
function MeasureChoice() {
  const isMeasuring = useStore(textsStore, (state) => state.isMeasuring)
  return (
    <NativeSelect
      size="xs"
      aria-label="Measure"
      value={isMeasuring ? 'text' : 'none'}
      data={[
        { value: 'text', label: 'Measure on a text' },
        { value: 'none', label: 'Not at all, just the files' },
      ]}
      onChange={({ currentTarget: { value } }) => textsStore.setState({ isMeasuring: value === 'text' })}
    />
  )
}

/** On what a run measures: text, protocol, window and bound; a calibration text that only weighs errors stands here too. Texts need an open model. */
export function TextSettings({ hasCalibration }: { readonly hasCalibration: boolean }) {
  const isOpen = useStore(modelStore, (state) => state.summary !== null)
  const { protocol, inputs, contextLength, maxTokens, isMeasuring } = useStore(textsStore)
  const mostPositions = useStore(modelStore, (state) => state.summary?.config.maxPositions ?? 2048)
  const lengths = [...new Set([...contexts.filter((length) => length <= mostPositions), contextLength])].toSorted(
    (one, other) => one - other,
  )
  return (
    <Card title="Measured on" subtitle="The same for all recipes of a run." tools={<MeasureChoice />}>
      {isMeasuring ? null : (
        <p className="qs-muted">
          Nothing is measured: recipes are quantized for their files alone. There will be no perplexity, and layers have the errors of their
          weights only.
        </p>
      )}
      {isMeasuring && !isOpen ? <p className="qs-muted">Texts are chosen when a model is open.</p> : null}
      {isMeasuring && isOpen ? (
        <>
          <div className="qs-grid qs-grid-halves">
            <TextChoice purpose="evaluation" isNeeded />
            {hasCalibration ? <TextChoice purpose="calibration" isNeeded={false} /> : null}
          </div>
          <div className="qs-fields" style={{ marginTop: 14 }}>
            <NativeSelect
              label="Protocol"
              value={protocol}
              data={[
                { value: 'windows', label: 'Plain windows, every token scored' },
                { value: 'llama.cpp', label: 'llama.cpp, second half of each window scored' },
              ]}
              onChange={({ currentTarget: { value } }) =>
                textsStore.setState({ protocol: value === 'llama.cpp' ? 'llama.cpp' : 'windows' })
              }
            />
            <NativeSelect
              label="Inputs of matrices"
              value={inputs}
              data={[
                { value: 'float', label: 'As floats' },
                { value: 'llama.cpp', label: 'In 8 bits, as llama.cpp on processors' },
              ]}
              onChange={({ currentTarget: { value } }) => textsStore.setState({ inputs: value === 'llama.cpp' ? 'llama.cpp' : 'float' })}
            />
            <NativeSelect
              label="Tokens a window"
              value={String(contextLength)}
              data={lengths.map((length) => ({ value: String(length), label: count(length) }))}
              onChange={({ currentTarget: { value } }) => textsStore.setState({ contextLength: Number(value) })}
            />
            <NativeSelect
              label="Tokens in all, at most"
              value={maxTokens === null ? 'all' : String(maxTokens)}
              data={[
                ...tokenBounds.map((bound) => ({ value: String(bound), label: count(bound) })),
                { value: 'all', label: 'all of the text' },
              ]}
              onChange={({ currentTarget: { value } }) => textsStore.setState({ maxTokens: value === 'all' ? null : Number(value) })}
            />
          </div>
          {inputs === 'llama.cpp' ? (
            <p className="qs-muted" style={{ marginTop: 10 }}>
              On processors llama.cpp rounds what it multiplies by a quantized matrix to 8 bits first. Perplexity and KL of recipes on ggml
              blocks are then what a GGUF file has there, texts as near as last digits let them: a code at an edge falls either way. Other
              recipes, the float model and all that recipes learn from stay in floats.
            </p>
          ) : null}
        </>
      ) : null}
    </Card>
  )
}
