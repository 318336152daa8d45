import { describe, expect, it } from 'vitest'
import { faultOf } from '../testing/fault-of.ts'
import { conversationOf, neutralRequest } from './conversations.ts'
import { documentOf, documentsOf, joinDocuments, plainText } from './documents.ts'

const turns = [
  { role: 'user', content: 'Who?' },
  { role: 'assistant', content: 'I.' },
]
const talk = JSON.stringify({ messages: turns })

describe('a document', () => {
  it.each<[string, unknown, unknown]>([
    ['a string', 'x', 'x'],
    ['turns', turns, turns],
    [
      'turns by their other names',
      [
        { from: 'human', value: 'Who?' },
        { from: 'gpt', value: 'I.' },
      ],
      turns,
    ],
    [
      'turns whose content is in parts',
      [{ role: 'user', content: [{ type: 'text', text: 'Wh' }, { type: 'image' }, { type: 'text', text: 'o?' }] }],
      [turns[0]],
    ],
    ['an object with text', { text: 'x', id: 3 }, 'x'],
    ['an object with turns', { conversations: turns }, turns],
    ['a number', 3, null],
    ['no turns', { messages: [] }, null],
    ['a turn without a role', [{ content: 'x' }], null],
    ['an object with something else', { answer: 'x' }, null],
  ])('is %s', (_, value, document) => expect(documentOf(value)).toEqual(document))

  it('becomes a conversation: a text answers a neutral request', () => {
    expect(conversationOf('x')).toEqual([
      { role: 'user', content: neutralRequest },
      { role: 'assistant', content: 'x' },
    ])
    expect(conversationOf(turns)).toBe(turns)
  })
})

describe('documents of a text', () => {
  const long = 'a word '.repeat(40).trim()
  it('are its paragraphs, short ones with what follows', () => {
    expect(documentsOf(`= Title =\n \n${long}\r\n\r\n${long}\n\nlast`)).toEqual([`= Title =\n \n${long}`, long, 'last'])
    expect(documentsOf('\n\na\n\n\n\n b \n\n')).toEqual(['a\n\n\n\n b'])
    expect(documentsOf(' \n\n ')).toEqual([])
  })

  it('are cut where a paragraph is long, at a line or a word if there is one', () => {
    const line = 'words of a line '.repeat(60).trim()
    const documents = documentsOf([line, line, line, line].join('\n'))
    expect(documents).toEqual([`${line}\n${line}`, `${line}\n${line}`])
    const words = documentsOf('abcdefg '.repeat(1000))
    expect(words.every((one) => one.length <= 2048 && typeof one === 'string' && one.startsWith('abc') && one.endsWith('efg'))).toBe(true)
    expect(documentsOf('x'.repeat(5000)).map((one) => one.length)).toEqual([2048, 2048, 904])
  })

  it('are the lines of JSON lines', () => {
    expect(documentsOf(`\n{"text":"x"}\n\n${talk}\n`)).toEqual(['x', turns])
  })

  it('are no JSON lines when the first line is no document', () => {
    const program = '{"key": 1}\n{"key": 2}'
    expect(documentsOf(program)).toEqual([program])
    expect(plainText(program)).toBe(program)
  })

  it('name the line that is none', async () => {
    for (const broken of ['{"text":', '["x"]', 'null', '{"answer":"x"}']) {
      const fault = await faultOf(async () => documentsOf(`{"text":"x"}\n${broken}`))
      expect(fault).toMatchObject({ code: 'usage', details: { line: 2 } })
    }
  })

  it('are read as plain text without their syntax', () => {
    expect(plainText(`{"text":"x"}\n${talk}`)).toBe('x\n\nWho?\n\nI.')
    expect(plainText('x\n\n\n\ny')).toBe('x\n\n\n\ny')
  })

  it('come back from the text they are joined to', () => {
    expect(joinDocuments([' = A = \n', '', 'b'])).toBe(' = A = \n\n\n\n\nb')
    expect(documentsOf(joinDocuments(['x', turns]))).toEqual(['x', turns])
  })
})
