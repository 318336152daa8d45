// Speed of the studio's code books beside bitsandbytes' CPU quantizers, one thread each, rounds in turn, by processor time.
//   node scripts/interop/bitsandbytes-speed.mjs VENV/bin/python [ROUNDS]
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bundleForNode } from '../bundle.mjs'

const [python, rounds = '15'] = process.argv.slice(2)
if (python === undefined) {
  console.error('usage: node scripts/interop/bitsandbytes-speed.mjs PYTHON [ROUNDS]')
  process.exit(2)
}
const urlOf = await bundleForNode('interop-bitsandbytes-speed', { speed: 'scripts/interop/bitsandbytes-speed.ts' })
const { studioRound } = await import(urlOf('speed').href)
const studio = await studioRound()
const script = fileURLToPath(new URL('bitsandbytes_speed.py', import.meta.url))
const other = spawn(python, [script], { env: { ...process.env, OMP_NUM_THREADS: '1' }, stdio: ['pipe', 'pipe', 'inherit'] })
const answers = createInterface({ input: other.stdout })[Symbol.asyncIterator]()

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const millions = (seconds) => ((512 * 2048) / 1e6 / median(seconds)).toFixed(0)
console.log('million weights a second of processor time, medians')
for (const [book, blockSize, isNested] of [
  ['nf4', 64, false],
  ['nf4', 64, true],
  ['fp4', 64, false],
  ['nf4', 4096, false],
  ['int8', 0, false],
]) {
  const theirs = []
  const ours = []
  for (let round = 0; round < Number(rounds); round++) {
    other.stdin.write(`${book} ${blockSize} ${isNested}\n`)
    theirs.push(Number((await answers.next()).value))
    ours.push(await studio({ book, blockSize, isNested }))
  }
  const name = book === 'int8' ? 'int8 rows' : `${book}${isNested ? ' nested' : ''}, blocks of ${blockSize}`
  const ratio = median(theirs.map((value, round) => value / ours[round]))
  console.log(
    `${name.padEnd(28)} bitsandbytes ${millions(theirs).padStart(5)}  studio ${millions(ours).padStart(5)}  ${ratio.toFixed(1)} x`,
  )
}
other.stdin.end()
