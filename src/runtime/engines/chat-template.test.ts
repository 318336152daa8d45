import { describe, expect, it } from 'vitest'
import { faultOf } from '../../testing/fault-of.ts'
import { createChatTemplate } from './chat-template.ts'

const config = { bos_token: { content: '<s>' }, eos_token: '</s>', pad_token: null }
const question = { role: 'user', content: ' Why? ' }
const answer = { role: 'assistant', content: 'Because.' }
const rule = { role: 'system', content: 'Be short.' }

const render = (chatTemplate: string, messages = [question, answer]) =>
  createChatTemplate({ chatTemplate, tokenizerConfig: config }).render(messages)

/** Each in the manner of a family of templates; the texts are those of Jinja2 3.1.6 with transformers' settings. */
const cases: readonly (readonly [what: string, template: string, messages: readonly (typeof question)[], text: string])[] = [
  [
    'a loop over turns with markers',
    "{% for m in messages %}\n{% if loop.first and m.role != 'system' %}{{ '<|system|>\\nYou help.<|end|>\\n' }}{% endif %}\n{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{% endfor %}\n{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
    [question, answer],
    '<|system|>\nYou help.<|end|>\n<|user|>\n Why? <|end|>\n<|assistant|>\nBecause.<|end|>\n',
  ],
  [
    'special tokens, slices and trimming',
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set head = messages[0]['content'] | trim + '\\n\\n' %}{% else %}{% set rest = messages %}{% set head = '' %}{% endif %}{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + (head if loop.first else '') + m['content'] | trim + ' [/INST]' }}{% else %}{{ ' ' + m['content'].strip() + eos_token }}{% endif %}{% endfor %}",
    [rule, question, answer],
    '<s>[INST] Be short.\n\nWhy? [/INST] Because.</s>',
  ],
  [
    'a namespace that a loop writes to',
    "{%- set ns = namespace(last='', turns=0) -%}\n{%- for m in messages -%}\n{%- if m.role == 'user' -%}{%- set ns.last = m.content -%}{%- endif -%}\n{%- set ns.turns = ns.turns + 1 -%}\n{%- endfor -%}\n{{- ns.turns ~ ':' ~ ns.last -}}",
    [question, answer],
    '2: Why? ',
  ],
  [
    'a macro, range, tests and tojson',
    '{%- macro part(m) -%}<{{ m.role }}>{{ m.content | tojson }}{%- endmacro -%}\n{%- for i in range(messages | length) -%}{{ part(messages[i]) }}{%- endfor -%}{%- if tools is not none -%}tools{%- endif -%}{%- if enable_thinking is defined -%}thinks{%- endif -%}',
    [question, answer],
    '<user>" Why? "<assistant>"Because."',
  ],
]

describe('chat templates', () => {
  it.each(cases)('run %s', (_, template, messages, text) => expect(render(template, [...messages])).toBe(text))

  it('print the same date on every day', () => {
    const template = "{% if strftime_now is defined %}{{ strftime_now('%A, %d %b %Y %H:%M %%') }}{% endif %}"
    expect(render(template)).toBe('Friday, 26 Jul 2024 00:00 %')
  })

  it.each([
    ['their own refusal', "{{ raise_exception('Roles must alternate!') }}", 'refuses a conversation: Roles must alternate!'],
    ['what is no Jinja', '{% for m in messages %}', 'cannot be run: '],
    ['what the interpreter does not know', '{{ messages | scramble }}', 'cannot be run: '],
    ['loops without end', '{% for i in range(10000000) %}{% endfor %}', 'range would have 10000000 numbers.'],
    ['a range without bounds', '{{ range() }}', 'range needs one to three numbers'],
  ])('refuse %s with the reason', async (_, template, message) => {
    expect(await faultOf(async () => render(template))).toMatchObject({
      code: 'usage',
      title: 'The chat template cannot be used',
      message: expect.stringContaining(message) as string,
    })
  })
})
