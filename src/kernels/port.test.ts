import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { sampleMatrix } from './conformance/inputs.ts'
import { createKernelPool } from './pool.ts'
import { nodeWorkerPort } from './port.ts'

/** A thread that says it is ready and then does `answer` with the first message. */
const threadDoing = (answer: string): string => `
  const { parentPort } = require('node:worker_threads')
  parentPort.on('message', (message) => { ${answer} })
  parentPort.postMessage({ kind: 'ready', backend: 'double' })`

test('a worker thread of Node that exits is replaced once, then the piece is given up', async () => {
  let started = 0
  const pool = await createKernelPool({
    threads: 1,
    spawn() {
      started++
      return nodeWorkerPort(new Worker(threadDoing('process.exit(3)'), { eval: true }))
    },
  })
  await expect(pool.quantizeGgml(sampleMatrix('normal', 1, 32), 'Q8_0')).rejects.toMatchObject({ code: 'worker-lost' })
  expect(started).toBe(3)
  await pool.close()
})

test('what an exception in a worker thread said is in the fault', async () => {
  const spawn = () => nodeWorkerPort(new Worker(threadDoing("throw new Error('no more memory')"), { eval: true }))
  const pool = await createKernelPool({ threads: 1, spawn })
  await expect(pool.quantizeGgml(sampleMatrix('normal', 1, 32), 'Q8_0')).rejects.toThrow('no more memory')
  await pool.close()
})

test('a worker thread answers with the bytes it hands over', async () => {
  const answer =
    "parentPort.postMessage({ kind: 'answer', id: message.id, results: message.pieces.map(({ args: [{ rows }] }) => ({ blocks: new Uint8Array(34).fill(rows) })), fault: null, spent: [] })"
  const pool = await createKernelPool({ threads: 2, spawn: () => nodeWorkerPort(new Worker(threadDoing(answer), { eval: true })) })
  expect(await pool.quantizeGgml(sampleMatrix('normal', 1, 32), 'Q8_0')).toEqual(new Uint8Array(34).fill(1))
  await pool.close()
})
