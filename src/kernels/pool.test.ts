import { afterEach, describe, expect, test, vi } from 'vitest'
import { sharedBytes, sharedFloats } from '../core/shared-memory.ts'
import { sampleImportance, sampleMatrix, sampleStored } from './conformance/inputs.ts'
import { startThreadDouble, type ThreadDouble } from './conformance/thread-double.ts'
import type { Kernels } from './contract/kernels.ts'
import type { KernelOperations } from './contract/operations.ts'
import { createKernelPool } from './pool.ts'
import { createReferenceKernels, referenceOperations } from './reference/index.ts'
import { loadWasmOperations } from './wasm/index.ts'

const pools: Kernels[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
  vi.unstubAllGlobals()
})

async function poolOf(threads: number, load: () => Promise<KernelOperations> = loadWasmOperations) {
  const doubles: ThreadDouble[] = []
  const spawn = () => {
    const double = startThreadDouble(load)
    doubles.push(double)
    return double.port
  }
  const kernels = await createKernelPool({ threads, spawn })
  pools.push(kernels)
  return { kernels, doubles }
}

/** Larger than one piece, with a last piece that is shorter. */
const large = sampleMatrix('normal', 1100, 1024)
const grid = { bits: 4, isSymmetric: false, group: 32 } as const

describe('any number of threads', () => {
  test('gives the same bytes and sums', async () => {
    const expected = await results(createReferenceKernels())
    const one = await results((await poolOf(1)).kernels)
    const three = await results((await poolOf(3)).kernels)
    expect(three).toEqual(one)
    // Sums in f64 follow another order than the reference's; bytes do not.
    expect(one.bytes).toEqual(expected.bytes)
  }, 30_000)

  // Against the last rows alone: the reference would take seconds for all of them.
  test.each([1, 3])('joins the pieces of fitted grids, with %i', async (threads) => {
    const { kernels } = await poolOf(threads)
    const firstRow = 1050
    const last = { data: large.data.slice(firstRow * 1024), rows: 50, columns: 1024 }
    const reference = createReferenceKernels()
    const tail = (values: Float32Array) => digest(values.slice(firstRow * 1024))
    for (const fit of [
      { levels: 8, isSymmetric: false, group: 48, fit: 'half-quadratic' },
      { levels: 3, isSymmetric: true, group: 'row', fit: 'mean' },
    ] as const) {
      const values = await kernels.dequantizeRealAffine(await kernels.quantizeRealAffine(large, fit))
      const expected = await reference.dequantizeRealAffine(await reference.quantizeRealAffine(last, fit))
      expect(tail(values)).toBe(digest(expected))
    }
    const tables = [{ bits: 3, group: 400 }, { importance: sampleImportance(1024) }] as const
    const values = await kernels.dequantizeKMeans(await kernels.quantizeKMeans(large, ...tables))
    const expected = await reference.dequantizeKMeans(await reference.quantizeKMeans(last, ...tables))
    expect(tail(values)).toBe(digest(expected))
  })

  test('gives the same bytes for inputs in shared memory', async () => {
    const { kernels } = await poolOf(2)
    const data = sharedFloats(large.data.length)
    data.set(large.data)
    const shared = { ...large, data }
    expect(digest(await kernels.quantizeGgml(shared, 'Q4_0'))).toBe(digest(await kernels.quantizeGgml(large, 'Q4_0')))
    const storedIn = (buffer: ArrayBufferLike) => ({ bytes: new Uint8Array(buffer), dtype: 'F32', rows: 1100, columns: 1024 }) as const
    const { blocks, sums } = await kernels.quantizeStored(storedIn(data.buffer), 'Q4_0')
    expect(digest(blocks)).toBe(digest(await kernels.quantizeGgml(large, 'Q4_0')))
    expect(sums).toEqual((await kernels.quantizeStored(storedIn(large.data.buffer), 'Q4_0')).sums)
    expect(digest(data)).toBe(digest(large.data))
  })

  test('gives the same bytes where no memory can be shared', async () => {
    const expected = await results((await poolOf(2)).kernels)
    vi.stubGlobal('SharedArrayBuffer', undefined)
    expect(await results((await poolOf(2)).kernels)).toEqual(expected)
  })

  async function results(kernels: Kernels) {
    const affine = await kernels.quantizeAffine(large, grid)
    const tensorWide = await kernels.quantizeAffine(large, { ...grid, group: 'tensor' })
    const q4 = await kernels.quantizeGgml(large, 'Q4_0')
    const values = await kernels.dequantizeAffine(affine)
    const tokens = sampleMatrix('normal', 100, 136)
    const gram = await kernels.accumulateGram(new Float32Array(136 * 136), tokens)
    const description = await kernels.describeWeights(large, 64)
    return {
      bytes: {
        affine: digest(affine.codes, affine.scales, affine.zeroPoints),
        tensorWide: digest(tensorWide.codes, tensorWide.scales, tensorWide.zeroPoints),
        q4: digest(q4),
        fromQ4: digest(await kernels.dequantizeGgml(q4, large, 'Q4_0')),
        values: digest(values),
        gram: digest(gram),
        histogram: digest(description.histogram, description.columnLargest),
      },
      sums: [
        await kernels.compareWeights(large.data, values),
        await kernels.traceThroughGram(sampleMatrix('normal', 40, 136), gram),
        (
          await kernels.accumulateProduct(new Float32Array(136 * 48), sampleMatrix('normal', 600, 136), sampleMatrix('normal', 600, 48))
        ).join(),
        (await kernels.groupLosses(sampleMatrix('normal', 40, 136), gram, 32)).join(),
        description.mean,
        description.standardDeviation,
      ],
    }
  }
})

describe('results in memory that the caller gives', () => {
  const expected = createReferenceKernels().quantizeAffine(large, grid)
  const source = sampleStored('BF16', large)

  test.each(['shared', 'its own'])('are the same bytes (%s)', async (kind) => {
    const { kernels } = await poolOf(2)
    const rooms: Uint8Array[] = []
    const inRooms = kernels.into({
      take(bytes) {
        const room = kind === 'shared' ? sharedBytes(bytes) : new Uint8Array(bytes)
        rooms.push(room.fill(0xaa))
        return room
      },
    })
    const { codes, scales, zeroPoints } = await inRooms.quantizeAffine(large, grid)
    const { affine, sums } = await inRooms.quantizeStoredAffine(source, grid)
    const q8 = await inRooms.quantizeGgml(large, 'Q8_0')
    const stored = await inRooms.quantizeStored(source, 'Q8_0')
    expect([codes, affine.codes, q8, stored.blocks].map(({ buffer }, i) => buffer === rooms[i]?.buffer)).toEqual([true, true, true, true])

    expect(digest(codes, scales, zeroPoints)).toBe(digest((await expected).codes, (await expected).scales, (await expected).zeroPoints))
    expect(digest(q8)).toBe(digest(await kernels.quantizeGgml(large, 'Q8_0')))
    const plain = await kernels.quantizeStoredAffine(source, grid)
    expect(digest(affine.codes, affine.scales, affine.zeroPoints)).toBe(
      digest(plain.affine.codes, plain.affine.scales, plain.affine.zeroPoints),
    )
    expect(sums).toEqual(plain.sums)
    expect({ ...stored, blocks: digest(stored.blocks) }).toEqual({
      sums: (await kernels.quantizeStored(source, 'Q8_0')).sums,
      blocks: digest((await kernels.quantizeStored(source, 'Q8_0')).blocks),
    })
  })

  test('are never in answers when all threads can write there', async () => {
    const answers: unknown[] = []
    const kernels = await createKernelPool({
      threads: 1,
      spawn() {
        const { port } = startThreadDouble(loadWasmOperations)
        const heard = (listener: (message: unknown) => void) => (message: unknown) => {
          answers.push(message)
          listener(message)
        }
        return { ...port, listen: (listener) => port.listen(heard(listener)) }
      },
    })
    pools.push(kernels)
    await kernels.into({ take: sharedBytes }).quantizeGgml(large, 'Q4_0')
    const arrays = JSON.stringify(answers, (key, value: unknown) => (ArrayBuffer.isView(value) ? `an array in ${key}` : value))
    expect(arrays).toContain('"results":[{}')
    expect(arrays).not.toContain('an array')
  })

  test('are whole when a thread died while it wrote them', async () => {
    const { kernels, doubles } = await poolOf(2)
    const pending = kernels.into({ take: sharedBytes }).quantizeAffine(large, grid)
    doubles[0]?.kill('out of memory')
    expect(digest((await pending).codes)).toBe(digest((await expected).codes))
  })
})

test('the name of the backend says how many threads', async () => {
  const { kernels } = await poolOf(2)
  expect(kernels.backend).toBe('wasm x2')
  expect(kernels.threads).toBe(2)
})

test('inputs stay the caller’s, unchanged', async () => {
  const { kernels } = await poolOf(2)
  const input = sampleMatrix('heavy tails', 9, 64)
  const before = input.data.slice()
  const tensor = await kernels.quantizeAffine(input, grid)
  const codes = tensor.codes.slice()
  await kernels.dequantizeAffine(tensor)
  const gram = new Float32Array(64 * 64)
  await kernels.accumulateGram(gram, input)
  expect(input.data).toEqual(before)
  expect(tensor.codes).toEqual(codes)
  expect(gram).toEqual(new Float32Array(64 * 64))
})

test('buffers that come back with one answer do not show in the results of the next calls', async () => {
  const { kernels } = await poolOf(1)
  const expected = createReferenceKernels()
  const other = sampleMatrix('heavy tails', 1100, 1024)
  for (const input of [large, other, large]) {
    expect(digest(await kernels.quantizeGgml(input, 'Q8_0'))).toBe(digest(await expected.quantizeGgml(input, 'Q8_0')))
  }
})

test('a result that is its argument stays the caller’s', async () => {
  const { kernels } = await poolOf(1, () =>
    Promise.resolve({ ...referenceOperations, dequantizeGgml: ({ buffer }) => new Float32Array(buffer as ArrayBuffer) }),
  )
  const blocks = new Uint8Array(new Float32Array(2 ** 20).fill(3).buffer)
  const shape = { rows: 1024, columns: 1024 }
  const [first, second] = [
    await kernels.dequantizeGgml(blocks, shape, 'F32'),
    await kernels.dequantizeGgml(blocks.slice().fill(0), shape, 'F32'),
  ]
  expect(first.every((value) => value === 3)).toBe(true)
  expect(second.every((value) => value === 0)).toBe(true)
})

describe('a thread that dies', () => {
  test('is replaced and its piece repeated', async () => {
    const { kernels, doubles } = await poolOf(2)
    const pending = kernels.quantizeAffine(large, grid)
    doubles[0]?.kill('out of memory')
    const expected = await createReferenceKernels().quantizeAffine(large, grid)
    expect(Buffer.compare((await pending).codes, expected.codes)).toBe(0)
    expect(doubles).toHaveLength(3)
  })

  test('again under the same piece rejects with worker-lost, and the pool works on', async () => {
    let deaths = 0
    const doubles: ThreadDouble[] = []
    const kernels = await createKernelPool({
      threads: 1,
      spawn() {
        const double = startThreadDouble(async () => ({
          ...referenceOperations,
          quantizeGgml(...args) {
            if (deaths >= 2) return referenceOperations.quantizeGgml(...args)
            deaths++
            queueMicrotask(() => doubles.at(-1)?.kill('out of memory'))
            return { blocks: new Uint8Array() }
          },
        }))
        doubles.push(double)
        return double.port
      },
    })
    pools.push(kernels)
    const input = sampleMatrix('normal', 4, 64)
    await expect(kernels.quantizeGgml(input, 'Q8_0')).rejects.toMatchObject({ code: 'worker-lost', details: { reason: 'out of memory' } })
    expect(deaths).toBe(2)
    expect((await kernels.quantizeGgml(input, 'Q8_0')).length).toBe(4 * 2 * 34)
  })

  test('before it is ready makes the pool fail to start', async () => {
    const failing = () => Promise.reject(new Error('no WebAssembly here'))
    await expect(poolOf(2, failing)).rejects.toMatchObject({
      code: 'worker-lost',
      message: expect.stringContaining('no WebAssembly here') as string,
    })
  })
})

describe('abort', () => {
  test('rejects at once and leaves the pool usable', async () => {
    const { kernels } = await poolOf(1)
    const stop = new AbortController()
    const pending = kernels.quantizeAffine(large, grid, stop.signal)
    stop.abort()
    await expect(pending).rejects.toMatchObject({ code: 'aborted' })
    expect((await kernels.quantizeGgml(sampleMatrix('normal', 1, 32), 'Q4_0')).length).toBe(18)
  })

  test('before the call starts nothing', async () => {
    const kernels = createReferenceKernels()
    await expect(kernels.quantizeAffine(large, grid, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
  })

  test('is heard between pieces where the work is done in this thread', async () => {
    const kernels = createReferenceKernels()
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 1)
    const wide = { data: new Float32Array(6 * 2 ** 20), rows: 6, columns: 2 ** 20 }
    await expect(kernels.quantizeGgml(wide, 'Q4_1', {}, stop.signal)).rejects.toMatchObject({ code: 'aborted' })
  })
})

test('a fault in a thread keeps its code, place and remedy', async () => {
  const { kernels } = await poolOf(2)
  const broken = { ...large, data: large.data.slice() }
  broken.data[1050 * 1024 + 17] = Number.NaN
  await expect(kernels.quantizeAffine(broken, grid)).rejects.toMatchObject({
    code: 'weights-not-finite',
    details: { row: 1050, column: 17 },
    remedy: expect.stringContaining('override') as string,
  })
})

test('a closed pool refuses work and ends its threads', async () => {
  const { kernels, doubles } = await poolOf(2)
  await kernels.close()
  await expect(kernels.quantizeAffine(large, grid)).rejects.toMatchObject({ code: 'worker-lost' })
  expect(doubles.every(({ isTerminated }) => isTerminated())).toBe(true)
})

test('a pool without threads is refused', async () => {
  await expect(poolOf(0)).rejects.toMatchObject({ code: 'internal' })
})

/** FNV-1a, to compare megabytes without printing them. */
function digest(...arrays: readonly (Uint8Array | Float32Array | Uint32Array)[]): number {
  let hash = 0x811c9dc5
  for (const array of arrays) {
    for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) hash = Math.imul(hash ^ byte, 0x01000193)
  }
  return hash >>> 0
}
