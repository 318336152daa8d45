// The studio's command line on a checkpoint, in a process of its own.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { root } from '../setup.mjs'
import { largestWhile, memoryOf, processorSecondsOf } from './processes.mjs'

const sampleMs = 50

/**
 * Wall seconds from start to the written file, and to the end of the process, when it is proved and has its SHA-256; its processor
 * time and its peak of resident memory.
 */
export async function quantizeHeadless({ model, recipe, out, threads }) {
  const options = ['--recipe', recipe, '--evaluation', 'none', '--export', 'gguf', '--threads', String(threads), '--out', out]
  const startedAt = performance.now()
  const child = spawn(process.execPath, [path.join(root, 'scripts/quantize.mjs'), model, ...options], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (piece) => (text += piece))
  const ended = new Promise((resolve) => child.on('exit', resolve))
  let written = Number.NaN
  const read = () => {
    if (Number.isNaN(written) && hasGguf(path.join(path.dirname(out), `.${path.basename(out)}.partial-${child.pid}`)))
      written = (performance.now() - startedAt) / 1000
    return { processorSeconds: processorSecondsOf(child.pid), peak: memoryOf(child.pid).peak }
  }
  const { value: code, largest } = await largestWhile(ended, read, sampleMs)
  const seconds = (performance.now() - startedAt) / 1000
  if (code !== 0) throw new Error(`quantize ended with ${code}:\n${text}`)
  return { written, proved: seconds, seconds, ...largest }
}

/** A file has its name once it is closed. */
function hasGguf(folder) {
  return existsSync(folder) && readdirSync(folder, { recursive: true }).some((name) => name.endsWith('.gguf'))
}
