import type { FileStore } from '../io/file-store.ts'
import { readInto } from '../io/read-into.ts'

/** One promise of the `FileStore` contract: throws when the store breaks it. Data, so that a worker can run it too. */
export interface StoreCase {
  readonly name: string
  readonly run: (store: FileStore) => Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)

async function put(store: FileStore, path: string, text: string): Promise<void> {
  const sink = await store.create(path)
  await sink.write(bytes(text))
  await sink.close()
}

async function get(store: FileStore, path: string): Promise<string | null> {
  const source = await store.open(path)
  return source === null ? null : new TextDecoder().decode(await source.read(0, source.sizeBytes))
}

function same(found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`wanted ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`)
}

async function codeOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work()
    return 'no fault'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

/** What every store promises, each on an empty store. */
export const storeCases: readonly StoreCase[] = [
  {
    name: 'gives back what was written, in pieces and in part',
    async run(store) {
      const sink = await store.create('a/b/c.bin')
      const piece = bytes('hello ')
      await sink.write(piece)
      piece.fill(0) // the sink may keep a buffer only until the promise settles
      await sink.write(bytes('world'))
      await sink.close()
      same(await get(store, 'a/b/c.bin'), 'hello world')
      const source = await store.open('a/b/c.bin')
      same(source?.sizeBytes, 11)
      same(new TextDecoder().decode(await source?.read(4, 8)), 'o wo')
      same(await codeOf(async () => source?.read(4, 12)), 'file-damaged')
    },
  },
  {
    name: 'reads a large file in large parts, several at once, into memory that is there',
    async run(store) {
      const content = Uint8Array.from({ length: 3 * 2 ** 20 }, (_, i) => (i * 31 + (i >> 8)) % 251)
      const sink = await store.create('large')
      await sink.write(content)
      await sink.close()
      const source = await store.open('large')
      if (source === null) throw new Error('the file is gone')
      const middle = new Uint8Array(2 ** 20)
      const [first] = await Promise.all([source.read(5, 5 + 2 ** 20), readInto(source, middle, 2 ** 20)])
      same(
        first.every((byte, i) => byte === content[5 + i]),
        true,
      )
      same(
        middle.every((byte, i) => byte === content[2 ** 20 + i]),
        true,
      )
      same(await codeOf(() => readInto(source, new Uint8Array(2 ** 20), 2 ** 21 + 1)), 'file-damaged')
    },
  },
  {
    name: 'replaces and deletes a file that was read just now',
    async run(store) {
      const write = async (path: string, value: number): Promise<void> => {
        const sink = await store.create(path)
        await sink.write(new Uint8Array(2 ** 20).fill(value))
        await sink.close()
      }
      const read = async (path: string): Promise<number | undefined> => (await (await store.open(path))?.read(0, 2 ** 20))?.at(-1)
      await write('a/x', 1)
      same(await read('a/x'), 1)
      await write('a/x', 2)
      same(await read('a/x'), 2)
      await store.delete('a/x')
      same(await store.open('a/x'), null)
      await write('a/x', 3)
      same(await read('a/x'), 3)
      await store.delete('a')
      same(await store.list(''), [])
    },
  },
  {
    name: 'writes into a file at any place, now and later, where the host can',
    async run(store) {
      const first = await store.edit('a/x')
      if (first === null) {
        same('document' in globalThis, true) // a page, not a worker
        return
      }
      await first.write(bytes('world'), 6)
      await first.flush()
      await first.write(bytes('hello'), 0)
      await first.close()
      same(await get(store, 'a/x'), 'hello\0world')
      same(await store.list(''), [{ path: 'a/x', sizeBytes: 11 }])
      const large = new Uint8Array(2 ** 20).fill(7)
      const second = await store.edit('a/x')
      await second?.write(bytes(' '), 5)
      await second?.write(large, 11)
      await second?.close()
      const source = await store.open('a/x')
      same(source?.sizeBytes, 11 + 2 ** 20)
      same(new TextDecoder().decode(await source?.read(0, 11)), 'hello world')
      same((await source?.read(11, 11 + 2 ** 20))?.at(-1), 7)
      // Read just now, through a handle that is kept a little longer.
      const third = await store.edit('a/x')
      await third?.write(bytes('W'), 6)
      await third?.close()
      same(new TextDecoder().decode(await (await store.open('a/x'))?.read(0, 11)), 'hello World')
      same(await codeOf(() => store.edit('../x')), 'storage-fault')
    },
  },
  {
    name: 'has no file before it is closed, nor after an abort',
    async run(store) {
      const sink = await store.create('x')
      await sink.write(bytes('half'))
      same(await store.list(''), [])
      same(await store.open('x'), null)
      await sink.abort()
      await sink.abort()
      same(await store.open('x'), null)
      same(await store.list(''), [])
    },
  },
  {
    name: 'keeps the old file until the new one is closed, and after an abort',
    async run(store) {
      await put(store, 'x', 'old content')
      const dropped = await store.create('x')
      await dropped.write(bytes('new'))
      same(await get(store, 'x'), 'old content')
      await dropped.abort()
      same(await get(store, 'x'), 'old content')
      await put(store, 'x', 'new')
      same(await get(store, 'x'), 'new')
    },
  },
  {
    name: 'lists files by name, below a folder, with sizes',
    async run(store) {
      for (const path of ['run/2', 'run/10/x', 'other', 'run/1']) await put(store, path, path)
      same(await store.list('run'), [
        { path: 'run/1', sizeBytes: 5 },
        { path: 'run/10/x', sizeBytes: 8 },
        { path: 'run/2', sizeBytes: 5 },
      ])
      same((await store.list('')).length, 4)
      same(await store.list('nothing'), [])
    },
  },
  {
    name: 'deletes files and folders, and what is not there without a fault',
    async run(store) {
      for (const path of ['a/1', 'a/b/2', 'ab']) await put(store, path, 'x')
      await store.delete('a/1')
      same(
        (await store.list('')).map(({ path }) => path),
        ['a/b/2', 'ab'],
      )
      await store.delete('a')
      same(
        (await store.list('')).map(({ path }) => path),
        ['ab'],
      )
      await store.delete('a')
      await store.delete('never/was')
      same(await store.open('a/b/2'), null)
      same(await store.open('never/was'), null)
    },
  },
  {
    name: 'is emptied as a whole, and usable after it',
    async run(store) {
      await store.delete('')
      for (const path of ['a/b', 'c']) await put(store, path, 'x')
      await store.delete('')
      same(await store.list(''), [])
      await put(store, 'c', 'y')
      same(await get(store, 'c'), 'y')
    },
  },
  {
    name: 'counts what it holds',
    async run(store) {
      await put(store, 'a/1', '12345')
      await put(store, 'b', '123')
      const { usedBytes, freeBytes } = await store.estimate()
      same(usedBytes, 8)
      same(freeBytes > 0, true)
    },
  },
  {
    name: 'refuses paths that leave it',
    async run(store) {
      for (const path of ['../x', 'a/../../x', '/x', 'a//b', '', 'a/.', 'a\\b', 'x.partial']) {
        same(await codeOf(() => store.create(path)), 'storage-fault')
      }
    },
  },
  {
    name: 'writes empty files and takes them for files',
    async run(store) {
      await put(store, 'empty', '')
      same(await get(store, 'empty'), '')
    },
  },
]
