// Seconds of GPTQ on one layer: the studio's kernels beside torch on the CPU (gptq_speed.py), one thread each, rounds in turn.
//   [OTHER=SCRIPT.py] node scripts/interop/gptq-speed.mjs VENV/bin/python [ROUNDS] [ROWSxCOLUMNSxTOKENS …]
// OTHER answers the same lines as gptq_speed.py and takes its place.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bundleForNode } from '../bundle.mjs'

const [python, rounds = '5', ...sizes] = process.argv.slice(2)
if (python === undefined) {
  console.error('usage: node scripts/interop/gptq-speed.mjs PYTHON [ROUNDS] [ROWSxCOLUMNSxTOKENS …]')
  process.exit(2)
}
const urlOf = await bundleForNode('interop-gptq-speed', { speed: 'scripts/interop/gptq-speed.ts' })
const { studioLayer } = await import(urlOf('speed').href)
const studio = await studioLayer()
const script = process.env['OTHER'] ?? fileURLToPath(new URL('gptq_speed.py', import.meta.url))
const torch = spawn(python, [script], { env: { ...process.env, OMP_NUM_THREADS: '1' }, stdio: ['pipe', 'pipe', 'inherit'] })
const answers = createInterface({ input: torch.stdout })[Symbol.asyncIterator]()

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const row = (name, values) => console.log(`  ${name.padEnd(34)} ${values.map((value) => value.padStart(8)).join(' ')}`)
const seconds = (values) => median(values).toFixed(2)
for (const size of sizes.length > 0 ? sizes : ['2048x2048x4096']) {
  const [rows, columns, tokens] = size.split('x').map(Number)
  const ours = []
  const theirs = []
  for (let round = 0; round < Number(rounds); round++) {
    torch.stdin.write(`${rows} ${columns} ${tokens}\n`)
    const [gramWall, gramProcessor, restWall, restProcessor] = (await answers.next()).value.split(' ').map(Number)
    theirs.push({ gramWall, gramProcessor, restWall, restProcessor })
    const { gram, factor, sweep } = await studio(rows, columns, tokens)
    ours.push({ gram, factor, sweep })
  }
  const of = (list, pick) => list.map(pick)
  const total = (kind) => ours.map(({ gram, factor, sweep }) => gram[kind] + factor[kind] + sweep[kind])
  const theirTotal = (kind) => theirs.map((one) => one[`gram${kind}`] + one[`rest${kind}`])
  console.log(`${size}: medians of ${rounds} rounds, s`)
  row('', ['wall', 'CPU'])
  row('studio, Gram', [seconds(of(ours, (one) => one.gram.wall)), seconds(of(ours, (one) => one.gram.processor))])
  row('studio, factor', [seconds(of(ours, (one) => one.factor.wall)), seconds(of(ours, (one) => one.factor.processor))])
  row('studio, sweep', [seconds(of(ours, (one) => one.sweep.wall)), seconds(of(ours, (one) => one.sweep.processor))])
  row('torch, Hessian', [seconds(of(theirs, (one) => one.gramWall)), seconds(of(theirs, (one) => one.gramProcessor))])
  row('torch, factor and sweep', [seconds(of(theirs, (one) => one.restWall)), seconds(of(theirs, (one) => one.restProcessor))])
  const ratios = (ourKind, theirKind) => {
    const their = theirTotal(theirKind)
    return median(total(ourKind).map((value, round) => value / their[round])).toFixed(2)
  }
  row('studio / torch, whole layer', [ratios('wall', 'Wall'), ratios('processor', 'Processor')])
}
torch.stdin.end()
process.exit(0)
