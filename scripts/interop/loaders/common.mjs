// common.py for runtimes that are no Python packages: the same comparison, the same line of JSON.
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** `load(folder, expected)` gives `forward(ids)`, logits { data: Float32Array [ids, width], width }, and versions. */
export async function main(load) {
  const [folder, file, tolerance] = process.argv.slice(2)
  const job = JSON.parse(readFileSync(file, 'utf8'))
  const bytes = readFileSync(path.join(path.dirname(file), job.logits))
  const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  const expected = { ...job, tolerance: toleranceOf(tolerance, logits) }
  const { forward, versions } = await load(folder, expected)
  const result = await compare(forward, expected, logits)
  const holds =
    result.maxLogitDifference <= expected.tolerance &&
    (result.greedyEqual || result.tie !== null) &&
    Math.abs(result.perplexityRatio - 1) <= 0.01
  console.log(JSON.stringify({ holds, ...result, tolerance: expected.tolerance, versions }))
  process.exit(holds ? 0 : 1)
}

function toleranceOf(text, logits) {
  if (!text.endsWith('%')) return Number(text)
  const [least, most] = logits.reduce(([low, high], logit) => [Math.min(low, logit), Math.max(high, logit)], [Infinity, -Infinity])
  return (Number(text.slice(0, -1)) / 100) * (most - least)
}

async function compare(forward, { prompt, greedy, windows, perplexity: wanted, tolerance }, logits) {
  const found = (await forward(prompt)).data
  if (found.length !== logits.length) throw new Error(`${found.length} logits instead of ${logits.length}`)
  const made = []
  while (made.length < greedy.length) made.push(argMax(lastRow(await forward([...prompt, ...made]))))
  const at = made.findIndex((id, index) => id !== greedy[index])
  let tie = null
  if (at >= 0) {
    const row = lastRow(await forward([...prompt, ...greedy.slice(0, at)]))
    const gap = row[made[at]] - row[greedy[at]]
    if (gap <= 2 * tolerance) tie = `a tie at token ${at + 1}: ${gap.toPrecision(2)} apart`
  }
  let total = 0
  let scored = 0
  for (const window of windows) {
    const { data, width } = await forward(window)
    for (let index = 1; index < window.length; index++, scored++) {
      const row = data.subarray((index - 1) * width, index * width)
      total += row[window[index]] - logSumExp(row)
    }
  }
  const perplexity = Math.exp(-total / scored)
  return {
    maxLogitDifference: logits.reduce((most, logit, index) => Math.max(most, Math.abs(logit - found[index])), 0),
    greedyEqual: at < 0,
    tie,
    perplexity,
    perplexityRatio: perplexity / wanted,
  }
}

const lastRow = ({ data, width }) => data.subarray(data.length - width)
const argMax = (row) => row.reduce((best, logit, index) => (logit > row[best] ? index : best), 0)

function logSumExp(row) {
  const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0))
}
