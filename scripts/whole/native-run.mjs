// Starts `native.mjs` and watches it.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { largestWhile, memoryOf } from './processes.mjs'

const sampleMs = 50
const program = fileURLToPath(new URL('./native.mjs', import.meta.url))

/** Wall and processor seconds of llama_model_quantize alone, and the peak of resident memory of its process. */
export async function quantizeNative({ native, input, output, threads }) {
  const options = [program, native.folder, path.dirname(native.library), input, output, String(threads)]
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (piece) => (text += piece))
  const ended = new Promise((resolve) => child.on('exit', resolve))
  const { value: code, largest } = await largestWhile(ended, () => ({ peak: memoryOf(child.pid).peak }), sampleMs)
  if (code !== 0) throw new Error(`llama_model_quantize ended with ${code}:\n${text}`)
  return { ...JSON.parse(text.trim().split('\n').at(-1)), ...largest }
}
