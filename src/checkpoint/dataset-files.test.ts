import { describe, expect, it } from 'vitest'
import { faultOf } from '../testing/fault-of.ts'
import { parseDatasetAddress } from './dataset-address.ts'
import { chooseSplit, splitsOf } from './dataset-files.ts'

const summary = (paths: readonly string[]) => splitsOf(paths).map(({ config, split, paths }) => `${config}/${split}: ${paths.length}`)

describe('addresses of data sets', () => {
  const nothing = { revision: null, config: null, split: null, column: null }
  it.each([
    ['owner/name', { repo: 'owner/name', ...nothing }],
    ['owner/name@v2:sub-set:test:text', { repo: 'owner/name', revision: 'v2', config: 'sub-set', split: 'test', column: 'text' }],
    ['owner/name::test', { repo: 'owner/name', ...nothing, split: 'test' }],
    ['https://huggingface.co/datasets/owner/name', { repo: 'owner/name', ...nothing }],
    [
      'https://huggingface.co/datasets/owner/name/viewer/sub/train?row=3',
      { repo: 'owner/name', ...nothing, config: 'sub', split: 'train' },
    ],
    ['https://huggingface.co/datasets/owner/name/viewer', { repo: 'owner/name', ...nothing }],
  ])('%s', (text, address) => expect(parseDatasetAddress(text)).toEqual(address))

  it.each(['', 'name', 'owner/name:a:b:c:d', 'owner/name:a b', 'owner/name:../x', 'datasets/squad'])('%j is none', async (text) => {
    expect((await faultOf(async () => parseDatasetAddress(text))).code).toBe('usage')
  })
})

describe('splits', () => {
  it('follow the layout of the conversion by the Hub', () => {
    expect(summary(['en/partial-train/0000.parquet', 'en/partial-train/0001.parquet', 'en/validation/0000.parquet'])).toEqual([
      'en/train: 2',
      'en/validation: 1',
    ])
  })

  it.each([
    [
      'folders for subsets',
      [
        'README.md',
        'wikitext-2-raw-v1/test-00000-of-00001.parquet',
        'wikitext-2-raw-v1/train-00000-of-00001.parquet',
        'x-v1/train-00000-of-00002-abc.parquet',
        'x-v1/train-00001-of-00002-abc.parquet',
      ],
      ['wikitext-2-raw-v1/test: 1', 'wikitext-2-raw-v1/train: 1', 'x-v1/train: 2'],
    ],
    [
      'a data folder',
      ['data/test_sft-00000-of-00001.parquet', 'data/train_sft-00000-of-00001.parquet'],
      ['default/test_sft: 1', 'default/train_sft: 1'],
    ],
    [
      'compressed JSON with the name in front',
      ['en/c4-train.00000-of-01024.json.gz', 'en/c4-train.00001-of-01024.json.gz', 'en/c4-validation.00000-of-00008.json.gz'],
      ['en/train: 2', 'en/validation: 1'],
    ],
    ['folders for splits', ['data/train/0.jsonl', 'data/train/1.jsonl', 'data/test/0.jsonl'], ['default/test: 1', 'default/train: 2']],
    ['no names', ['corpus.jsonl', 'dataset_infos.json', 'picture.png'], ['default/train: 1']],
    ['the same rows twice', ['train.jsonl', 'train.parquet'], ['default/train: 1']],
  ])('are found in %s', (_, paths, expected) => expect(summary(paths)).toEqual(expected))

  it('prefer Parquet', () => {
    expect(splitsOf(['train.jsonl', 'train.parquet'])[0]?.paths).toEqual(['train.parquet'])
  })
})

describe('the choice of a split', () => {
  const splits = splitsOf(['b/test/0000.parquet', 'b/train/0000.parquet', 'c/validation/0000.parquet'])
  const choose = (text: string, ...preferred: readonly string[]) => {
    const { config, split } = chooseSplit(splits, parseDatasetAddress(text), preferred)
    return `${config}/${split}`
  }

  it('takes what is asked for, and else the first subset and what the purpose prefers', () => {
    expect(choose('o/n', 'train')).toBe('b/train')
    expect(choose('o/n', 'dev', 'test')).toBe('b/test')
    expect(choose('o/n')).toBe('b/test')
    expect(choose('o/n:c')).toBe('c/validation')
    expect(choose('o/n:b:test')).toBe('b/test')
  })

  it('names what there is when that is absent', async () => {
    expect(await faultOf(async () => choose('o/n:d'))).toMatchObject({ code: 'usage', message: 'o/n has no subset "d"; it has b, c.' })
    expect(await faultOf(async () => choose('o/n:b:dev'))).toMatchObject({
      code: 'usage',
      message: 'o/n has no split "dev"; it has test, train.',
    })
    expect(await faultOf(async () => chooseSplit([], parseDatasetAddress('o/n'), []))).toMatchObject({ code: 'usage' })
  })
})
