import { Button, NumberInput, Textarea } from '@mantine/core'
import { type KeyboardEvent, useId } from 'react'
import { useStore } from 'zustand'
import type { Continuation } from '../../../rpc/contract.ts'
import { FLOAT, generationStore } from '../../../state/generation-store.ts'
import { hoverRecipe, recipesStore } from '../../../state/recipes-store.ts'
import type { Result } from '../../../state/results.ts'
import { useActions } from '../../actions.ts'
import * as format from '../../format/numbers.ts'
import { FaultNote } from '../../parts/note.tsx'
import { PinBadge } from '../../parts/small-parts.tsx'
import { FloatMark, Marker, recipeColour } from '../../theme/recipe-style.tsx'
import { type Compared, compareContinuation, equalText, tail, visible } from './continuation-text.ts'
import { type CompareData, pinLetter } from './use-compare.ts'

/** The same prompt continued by float and by every recipe. */
export function TextSection({ data }: { readonly data: CompareData }) {
  const heading = useId()
  const generation = useStore(generationStore)
  const actions = useActions()
  const isRunning = generation.status === 'running'
  const start = (): void => {
    if (!isRunning && generation.prompt.trim() !== '') void actions.generate()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    // Ctrl Enter starts or stops a run elsewhere on the page; in the prompt it continues the prompt.
    event.stopPropagation()
    start()
  }
  const how = generation.temperature === 0 ? 'Greedy' : `Temperature ${generation.temperature}, the same seed for all`
  return (
    <section className="qs-card" aria-labelledby={heading}>
      <div className="qs-card-head">
        <div>
          <h2 id={heading}>The same prompt, continued by each</h2>
          <p>
            {how}, {format.counted(generation.maxTokens, 'token')}. Grey text equals float; the marked token is the first that differs.
            {generation.temperature > 0 && ' Sampling makes texts differ even without quantization.'}
          </p>
        </div>
        <div className="qs-card-tools">
          {isRunning ? (
            <Button size="xs" variant="default" onClick={() => actions.stopGeneration()}>
              Stop
            </Button>
          ) : (
            <Button size="xs" variant="default" onClick={start} disabled={generation.prompt.trim() === ''}>
              {generation.continuations.length === 0 ? 'Continue the prompt' : 'Run again'}
            </Button>
          )}
        </div>
      </div>
      <div className="qs-card-body qs-text-body">
        <Textarea
          aria-label="Prompt"
          autosize
          minRows={1}
          maxRows={6}
          value={generation.prompt}
          onChange={(event) => generationStore.setState({ prompt: event.currentTarget.value })}
          onKeyDown={onKeyDown}
        />
        <div className="qs-text-settings">
          <NumberInput
            size="xs"
            label="Tokens"
            min={1}
            max={512}
            allowDecimal={false}
            value={generation.maxTokens}
            onChange={(value) => typeof value === 'number' && value >= 1 && generationStore.setState({ maxTokens: value })}
          />
          <NumberInput
            size="xs"
            label="Temperature"
            min={0}
            max={2}
            step={0.1}
            decimalScale={2}
            value={generation.temperature}
            onChange={(value) => typeof value === 'number' && generationStore.setState({ temperature: value })}
          />
          <NumberInput
            size="xs"
            label="Seed"
            min={0}
            allowDecimal={false}
            value={generation.seed}
            onChange={(value) => typeof value === 'number' && generationStore.setState({ seed: value })}
          />
        </div>
        {generation.fault !== null && <FaultNote fault={generation.fault} />}
        {isRunning ? (
          <Growing data={data} />
        ) : (
          generation.continuations.length > 0 && <Continued data={data} continuations={generation.continuations} />
        )}
      </div>
    </section>
  )
}

/** Texts as they grow, before they can be compared. */
function Growing({ data }: { readonly data: CompareData }) {
  const partial = useStore(generationStore, (state) => state.partial)
  const maxTokens = useStore(generationStore, (state) => state.maxTokens)
  const names = [FLOAT, ...data.results.map((result) => result.recipe.id)].filter((id) => partial[id] !== undefined)
  return (
    <ul className="qs-text-rest" aria-busy="true">
      {names.length === 0 && <li className="qs-muted">Reading the prompt …</li>}
      {names.map((id) => (
        <li key={id}>
          <span className="qs-compare-name">
            {id === FLOAT ? <FloatMark /> : <Marker slot={slotOf(data, id)} />}
            {id === FLOAT ? 'float' : id}
          </span>
          <span className="qs-muted">
            {partial[id]?.tokens ?? 0} of {maxTokens} tokens
          </span>
          <span className="qs-text-line">{tail(partial[id]?.text ?? '', 90)}</span>
        </li>
      ))}
    </ul>
  )
}

const slotOf = (data: CompareData, id: string): number | null => data.results.find((result) => result.recipe.id === id)?.slot ?? null

function Continued({ data, continuations }: { readonly data: CompareData; readonly continuations: readonly Continuation[] }) {
  const hidden = useStore(recipesStore, (state) => state.hidden)
  const float = continuations.find((one) => one.recipeId === null)
  const found = data.results.flatMap((result) => {
    const own = continuations.find((one) => one.recipeId === result.recipe.id)
    return own === undefined || hidden.has(result.recipe.id) ? [] : [{ result, continuation: own, compared: compareContinuation(own) }]
  })
  const columns = (['a', 'b'] as const).flatMap((pin) => found.filter(({ result }) => result === data.pins[pin]))
  const rest = found.filter((one) => !columns.includes(one))
  return (
    <>
      <div className="qs-text-columns">
        {float !== undefined && (
          <article aria-label="float">
            <p className="qs-text-head">
              <span className="qs-compare-name">
                <FloatMark />
                float
              </span>
              <span className="qs-muted">
                {format.counted(float.pieces.length, 'token')} · {format.speed(float.tokensPerSecond)} tokens/s here
              </span>
            </p>
            <div className="qs-text-agree">
              <i style={{ width: '100%', background: 'var(--qs-ink-3)' }} />
            </div>
            <p className="qs-text">{float.text.trimStart()}</p>
          </article>
        )}
        {columns.map(({ result, continuation, compared }) => (
          <article key={result.recipe.id} aria-label={result.recipe.id}>
            <p className="qs-text-head">
              <TextName result={result} data={data} />
              <span className="qs-muted">
                {equalText(compared)} · {format.speed(continuation.tokensPerSecond)} tokens/s
              </span>
            </p>
            <div className="qs-text-agree">
              <i
                style={{ width: `${(100 * compared.equalTokens) / Math.max(1, compared.tokens)}%`, background: recipeColour(result.slot) }}
              />
            </div>
            <p className="qs-text">
              <Marked compared={compared} slot={result.slot} />
            </p>
          </article>
        ))}
      </div>
      {rest.length > 0 && (
        <ul className="qs-text-rest">
          {rest.map(({ result, compared }) => (
            <li key={result.recipe.id} onPointerEnter={() => hoverRecipe(result.recipe.id)} onPointerLeave={() => hoverRecipe(null)}>
              <TextName result={result} data={data} />
              <span className="qs-muted">
                {compared.equalTokens} of {compared.tokens} equal
              </span>
              <span className="qs-text-line">
                <Marked compared={{ ...compared, same: tail(compared.same, compared.mark === '' ? 90 : 40) }} slot={result.slot} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function TextName({ result, data }: { readonly result: Result; readonly data: CompareData }) {
  const pin = pinLetter(result.recipe.id, data.pins)
  return (
    <span className="qs-compare-name">
      <Marker slot={result.slot} />
      {result.recipe.id}
      {pin !== null && <PinBadge pin={pin === 'A' ? 'a' : 'b'} />}
    </span>
  )
}

/** Text with its first token that differs from float marked, for eyes and for readers. */
function Marked({ compared, slot }: { readonly compared: Compared; readonly slot: number | null }) {
  const { same, mark, rest, endsEarly } = compared
  return (
    <>
      <span className="qs-text-same">{same}</span>
      {mark !== '' && (
        <>
          <span className="qs-hidden-text"> differs from here: </span>
          <mark className="qs-text-mark" style={{ borderBottomColor: recipeColour(slot) }}>
            {visible(mark)}
          </mark>
          {rest}
        </>
      )}
      {endsEarly && <span className="qs-text-end"> ends here; float goes on</span>}
    </>
  )
}
