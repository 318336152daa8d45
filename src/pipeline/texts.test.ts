import { describe, expect, it } from 'vitest'
import { neutralRequest } from '../calibration/conversations.ts'
import { openTiny, tinyRequest, tinyText } from '../testing/tiny-run.ts'
import { chatTokens } from './chat-tokens.ts'
import type { OpenModel } from './execute-run.ts'
import type { CalibrationSettings, RunRequest } from './plan.ts'
import { calibrationSummary, prepareTexts as prepare } from './texts.ts'

const prepareTexts = (request: RunRequest, model: OpenModel) => prepare(request, { ...model, chatTokens })

/** Marks turns with the special tokens of the tiny tokenizer: `<s>` 1, `</s>` 2. */
const template =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}{{ m.content | trim }}{{ eos_token }}{% endfor %}"

const openChat = (config: Readonly<Record<string, unknown>> = {}): Promise<OpenModel> =>
  openTiny({ tokenizerConfig: { chat_template: template, add_bos_token: true, ...config } })

function calibrated(text: string, change: Partial<CalibrationSettings> = {}): RunRequest {
  const calibration = { text, textName: 'letters', maxTokens: 4096, contextLength: 16, usesChatTemplate: true, ...change }
  return { ...tinyRequest([]), calibration }
}

const letters = (model: OpenModel, text: string): number[] => [...model.tokenizer.encode(text)]
const talk = (...turns: readonly (readonly [string, string])[]): string =>
  JSON.stringify({ messages: turns.map(([role, content]) => ({ role, content })) })

describe('a calibration text in the chat template', () => {
  it('is conversations, with the special tokens of the template and no others', async () => {
    const model = await openChat()
    expect(model.tokenizer.bosTokenId).toBe(1)
    const lines = [talk(['user', 'who'], ['assistant', 'me']), talk(['user', 'andwhat'], ['assistant', 'thisandthat'])].join('\n')
    const { calibration, findings } = prepareTexts(calibrated(lines), model)
    expect(findings).toEqual([])
    const first = [1, ...letters(model, 'who'), 2, ...letters(model, 'me'), 2]
    const second = [1, ...letters(model, 'andwhat'), 2, ...letters(model, 'thisandthat'), 2]
    expect(calibration.map(({ ids }) => [...ids])).toEqual([[...first, ...second].slice(0, 16)])
  })

  it('makes plain text the answer to a neutral request', async () => {
    const model = await openChat()
    const { calibration } = prepareTexts(calibrated('once\n\nupon', { contextLength: 64 }), model)
    const text = [...letters(model, 'once'), ...letters(model, '\n\n'), ...letters(model, 'upon')]
    expect([...(calibration[0]?.ids ?? [])]).toEqual([1, ...letters(model, neutralRequest), 2, ...text, 2])
  })

  it('is refused with the reason: no template, the words of the template, a line that is no document', async () => {
    const titled = async (model: Promise<OpenModel>, text: string) => prepareTexts(calibrated(text), await model).findings
    expect(await titled(openTiny(), tinyText)).toEqual([
      expect.objectContaining({ severity: 'error', title: 'The chat template cannot be used', text: 'This model has no chat template.' }),
    ])
    expect(await titled(openChat(), talk(['system', 'x'], ['user', 'y']))).toEqual([
      expect.objectContaining({ severity: 'error', text: 'The chat template of this model refuses a conversation: no system turns.' }),
    ])
    expect(await titled(openChat(), `${talk(['user', 'x'])}\nno`)).toEqual([
      expect.objectContaining({ severity: 'error', title: 'A line of the text is not a document' }),
    ])
    expect(await titled(openChat({ chat_template: '{% if %}' }), tinyText)).toEqual([
      expect.objectContaining({ severity: 'error', text: expect.stringContaining('cannot be run') as string }),
    ])
  })

  it('is another text than without it, and said in the report', async () => {
    const model = await openChat()
    const paragraphs = Array.from({ length: 10 }, () => tinyText).join('\n\n')
    const request = calibrated(paragraphs, { contextLength: 32, maxTokens: 320 })
    const [on, off] = [true, false].map((usesChatTemplate) => {
      const asked = { ...request, calibration: request.calibration === null ? null : { ...request.calibration, usesChatTemplate } }
      return calibrationSummary(asked, prepareTexts(asked, model))
    })
    expect(on).toMatchObject({ usesChatTemplate: true, windows: 10, tokens: 320 })
    expect(off).toMatchObject({ usesChatTemplate: false, windows: 10, tokens: 320 })
  })
})

it('a chat template without its interpreter is a fault of the program', async () => {
  const model = await openChat()
  expect(() => prepare(calibrated(tinyText), model)).toThrow(RangeError)
})

describe('texts', () => {
  it('as JSON lines are read without their syntax, for both purposes', async () => {
    const model = await openTiny()
    const lines = (text: string) =>
      text
        .match(/.{1,70}/g)
        ?.map((part) => JSON.stringify({ text: part }))
        .join('\n') ?? ''
    const request = {
      ...tinyRequest([], { text: lines(tinyText) }),
      calibration: calibrated(lines(tinyText), { usesChatTemplate: false }).calibration,
    }
    const { evaluation, calibration } = prepareTexts(request, model)
    for (const { ids } of [...evaluation, ...calibration]) expect(ids.every((id) => id > 2 || id === 0)).toBe(true)
    expect(evaluation).toHaveLength(44)
  })

  it('say how much of the vocabulary calibration covers', async () => {
    const model = await openTiny()
    const { calibrationCoverage } = prepareTexts(calibrated('abcabcabcabcabcabc', { usesChatTemplate: false }), model)
    expect(calibrationCoverage).toEqual({ distinct: 3, vocabulary: model.tokenizer.vocabularySize })
  })

  it.each([
    ['the same text', tinyText, 1],
    ['another text', Array.from(tinyText).reverse().join(''), 0],
  ])('warn of overlap: %s', async (_, text, warnings) => {
    const { findings } = prepareTexts(calibrated(text, { usesChatTemplate: false }), await openTiny())
    expect(findings.map(({ title }) => title)).toEqual(Array.from({ length: warnings }, () => 'Calibration and evaluation text overlap'))
  })
})
