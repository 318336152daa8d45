import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readInto } from '../io/read-into.ts'
import { faultOf } from '../testing/fault-of.ts'
import { storeCases } from '../testing/file-store-contract.ts'
import { nodeFileSource, nodeFolderFiles } from './node-source.ts'
import { NodeFileStore, nodeFileSink } from './node-store.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'studio-'))
})
afterAll(() => rm(root, { recursive: true }))

describe('a directory as a store', () => {
  it.each(storeCases.map(({ name, run }, index) => [name, run, index] as const))('%s', async (_name, run, index) => {
    await run(new NodeFileStore(join(root, `case-${index}`)))
  })

  it('leaves no empty folders behind', async () => {
    const store = new NodeFileStore(join(root, 'tidy'))
    const sink = await store.create('a/b/c')
    await sink.close()
    await store.delete('a/b/c')
    expect(await readdir(join(root, 'tidy'))).toEqual([])
  })

  it('says where it cannot write', async () => {
    await writeFile(join(root, 'file'), '')
    expect(await faultOf(() => nodeFileSink(join(root, 'file', 'inside')))).toMatchObject({ code: 'storage-fault' })
  })
})

describe('files', () => {
  it('are read in slices', async () => {
    const path = join(root, 'digits')
    await writeFile(path, '0123456789')
    const source = await nodeFileSource(path)
    expect(source.name).toBe('digits')
    expect(Buffer.from(await source.read(3, 6)).toString()).toBe('345')
    const shared = new Uint8Array(new SharedArrayBuffer(4))
    await readInto(source, shared.subarray(1), 6)
    expect(Buffer.from(shared.slice()).toString()).toBe('\u0000678')
    expect((await faultOf(() => source.read(3, 11))).code).toBe('file-damaged')
    await truncate(path, 4)
    expect((await faultOf(() => source.read(3, 6))).code).toBe('file-damaged')
    await rm(path)
    expect((await faultOf(() => source.read(3, 6))).code).toBe('file-missing')
    expect((await faultOf(() => nodeFileSource(path))).title).toBe('digits is missing')
  })

  it('of a folder are listed one level deep, without hidden ones', async () => {
    const folder = join(root, 'model')
    await mkdir(join(folder, 'inner', 'deeper'), { recursive: true })
    for (const path of ['b', 'a', '.hidden', 'inner/c', 'inner/deeper/d']) await writeFile(join(folder, path), path)
    expect([...(await nodeFolderFiles(folder)).keys()]).toEqual(['a', 'b', 'inner/c'])
    expect((await faultOf(() => nodeFolderFiles(join(root, 'nowhere')))).title).toBe('nowhere is missing')
  })
})
