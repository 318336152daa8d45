import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import type { ModelSummary } from '../../../rpc/contract.ts'
import { modelStore } from '../../../state/model-store.ts'
import { notify } from '../../../state/ui-store.ts'
import { useActions } from '../../actions.ts'
import { bytes, count, counted, percent } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Headline } from '../../parts/headline.tsx'
import { Icon } from '../../parts/icon.tsx'
import { EmptyState, Pairs } from '../../parts/small-parts.tsx'
import { usePickers } from '../open/drop-card.tsx'
import { OpenState } from '../open/open-state.tsx'
import { Diagnoses } from './diagnoses.tsx'
import { RiskNotes } from './risk-notes.tsx'
import { SelectedTensor } from './selected-tensor.tsx'
import { bytesByPart } from './tensor-rows.ts'
import { TensorTable } from './tensor-table.tsx'
import './inspect.css'

const ropeInWords = ({ config }: ModelSummary): string => {
  const scaling = config.ropeScaling
  return scaling.kind === 'none' ? 'RoPE' : `RoPE, ${scaling.kind} scaling by ${count(scaling.factor)}`
}

/** What the model is, in the words of the field. */
function architecture(summary: ModelSummary): readonly (readonly [string, string])[] {
  const { config, tensors } = summary
  const types = [...new Set(tensors.map((tensor) => tensor.dtype))].join(', ')
  const hasBias = tensors.some((tensor) => tensor.block >= 0 && tensor.name.endsWith('.bias'))
  return [
    ['Parameters', count(summary.parameters)],
    ['Blocks', `${count(config.layers)}, all of one shape`],
    ['Hidden, inner', `${count(config.hidden)}, ${count(config.intermediate)}`],
    ['Attention', `${counted(config.heads, 'head')}, ${count(config.kvHeads)} for keys and values${hasBias ? ', with biases' : ''}`],
    ['Width of a head', count(config.headDim)],
    ['Positions', `${ropeInWords(summary)}, ${counted(config.maxPositions, 'token')}`],
    ['Vocabulary', count(config.vocab)],
    ['Head', config.isTied ? 'the embedding matrix' : 'separate from the embedding'],
    ['Stored as', `${types}, ${bytes(summary.sourceBytes)}`],
  ]
}

function copySummary(summary: ModelSummary): void {
  const text = [summary.name, ...architecture(summary).map(([name, value]) => `${name}: ${value}`)].join('\n')
  navigator.clipboard.writeText(text).then(
    () => notify('Summary copied.'),
    () => notify('This browser did not let the page write to the clipboard.'),
  )
}

const greys = ['var(--qs-ink-2)', 'var(--qs-ink-3)', 'var(--qs-control)', 'var(--qs-bar)', 'var(--qs-line-2)']

function WhereTheBytesAre({ summary }: { readonly summary: ModelSummary }) {
  const parts = bytesByPart(summary.tensors)
  return (
    <Card title="Where the bytes are" subtitle="Blocks are what most recipes quantize.">
      <div className="qs-split" role="img" aria-label={parts.map((part) => `${part.title} ${percent(part.share)}`).join('; ')}>
        {parts.map((part, index) => (
          <i key={part.title} style={{ width: `${part.share * 100}%`, background: greys[index] }} />
        ))}
      </div>
      <dl className="qs-pairs" style={{ marginTop: 10 }}>
        {parts.map((part, index) => [
          <dt key={`${part.title}.`}>
            <i className="qs-split-key" style={{ background: greys[index] }} aria-hidden="true" />
            {part.title}
          </dt>,
          <dd key={part.title}>
            {bytes(part.sizeBytes)} · {percent(part.share)}
          </dd>,
        ])}
      </dl>
    </Card>
  )
}

function NoModel() {
  const { openSample } = useActions()
  const { inputs, pickFiles } = usePickers()
  return (
    <>
      <OpenState />
      {inputs}
      <EmptyState
        title="No model is open"
        actions={
          <>
            <Button variant="filled" onClick={() => void openSample()}>
              Open the sample
            </Button>
            <Button onClick={pickFiles}>Choose files</Button>
          </>
        }
      >
        Drop a folder, name a model on the Hub, or use the sample.
      </EmptyState>
    </>
  )
}

/** Trust that the model is understood. */
export function InspectScreen() {
  const summary = useStore(modelStore, (state) => state.summary)
  if (summary === null) return <NoModel />
  return (
    <>
      <Headline
        title={summary.name}
        actions={
          <>
            <Button leftSection={<Icon name="copy" />} onClick={() => copySummary(summary)}>
              Copy summary
            </Button>
            <Button variant="filled" component="a" href="#recipes">
              Choose recipes
            </Button>
          </>
        }
      >
        {summary.architecture}, fully supported. {counted(summary.tensors.length, 'tensor')}, {bytes(summary.sourceBytes)}; weights are read
        for the selected tensor only.
      </Headline>
      <div className="qs-grid qs-grid-4-8">
        <div className="qs-stack">
          <Card title="Architecture">
            <Pairs pairs={architecture(summary)} />
          </Card>
          <WhereTheBytesAre summary={summary} />
          <Diagnoses summary={summary} />
          <RiskNotes />
        </div>
        <div className="qs-stack">
          <TensorTable summary={summary} />
          <SelectedTensor summary={summary} />
        </div>
      </div>
    </>
  )
}
