/**
 * Loads GGUF exports in wllama (llama.cpp as WebAssembly) in a real Chromium and prints what it makes of them.
 *
 *   node scripts/interop/wllama.mjs FILE.gguf… [--prompt TEXT] [--tokens N]
 *
 * One JSON line a file: vocabulary, layers, whether BOS is added, and a greedy continuation. Everything is served from
 * this machine; nothing is fetched from elsewhere.
 */
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chromium } from '@playwright/test'
import { chromiumFlags, chromiumPath } from '../chromium.mjs'

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { prompt: { type: 'string', default: 'Once upon a time' }, tokens: { type: 'string', default: '64' } },
})
if (files.length === 0 || files.some((file) => !existsSync(file))) {
  console.error('usage: node scripts/interop/wllama.mjs FILE.gguf… [--prompt TEXT] [--tokens N]')
  process.exit(2)
}

const wllama = fileURLToPath(new URL('../../node_modules/@wllama/wllama/esm/', import.meta.url))
const types = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' }
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname
  const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
  const send = (file) => {
    response.writeHead(200, {
      ...isolation,
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Length': statSync(file).size,
    })
    createReadStream(file).pipe(response)
  }
  const model = /^\/models\/(\d+)$/.exec(path)
  if (path === '/') {
    response.writeHead(200, { ...isolation, 'Content-Type': 'text/html' })
    response.end('<!doctype html><title>wllama</title>')
  } else if (model !== null && files[Number(model[1])] !== undefined) {
    send(files[Number(model[1])])
  } else if (path.startsWith('/wllama/') && existsSync(join(wllama, path.slice(8)))) {
    send(join(wllama, path.slice(8)))
  } else {
    response.writeHead(404, isolation)
    response.end()
  }
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

const executablePath = chromiumPath()
const browser = await chromium.launch({ ...(executablePath === null ? {} : { executablePath }), args: chromiumFlags })
try {
  const page = await browser.newPage()
  await page.goto(origin)
  for (const [index, file] of files.entries()) {
    const answer = await page.evaluate(
      async ({ entry, index, prompt, tokens }) => {
        const { Wllama, LoggerWithoutDebug } = await import(entry)
        const engine = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { suppressNativeLog: true, logger: LoggerWithoutDebug })
        engine.setCompat(null)
        await engine.loadModel([await (await fetch(`/models/${index}`)).blob()], {
          n_ctx: 256,
          n_threads: 1,
          n_gpu_layers: 0,
          warmup: false,
        })
        const { hparams } = engine.getModelMetadata()
        const { choices } = await engine.createCompletion({ prompt, max_tokens: tokens, temperature: 0, top_k: 1, seed: 1 })
        const result = { llamaCpp: Wllama.getLibllamaVersion(), ...hparams, bos: engine.mustAddBosToken(), text: choices[0].text }
        await engine.exit()
        return result
      },
      { entry: '/wllama/index.js', index, prompt: options.prompt, tokens: Number(options.tokens) },
    )
    console.log(JSON.stringify({ file: basename(file), ...answer }))
  }
} finally {
  await browser.close()
  server.close()
}
