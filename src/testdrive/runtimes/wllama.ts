import * as v from 'valibot'
import type { TestDriveRuntime } from '../runtime.ts'

/** What llama.cpp's server adds to each token of a completion when log-probabilities are asked for. */
const TokenIds = v.object({ content: v.array(v.object({ id: v.number() })) })

/** llama.cpp compiled to WebAssembly. */
const wllama: TestDriveRuntime = {
  id: 'wllama',
  title: 'wllama (llama.cpp)',
  targets: ['gguf'],
  devices: ['wasm', 'webgpu'],

  async load({ files, device, threads }) {
    const [{ LoggerWithoutDebug, Wllama }, wasm] = await Promise.all([
      import('@wllama/wllama/esm/index.js'),
      import('@wllama/wllama/esm/wasm/wllama.wasm?url'),
    ])
    const loaded = new Wllama(
      { default: new URL(wasm.default, location.href).href },
      { suppressNativeLog: true, logger: { ...LoggerWithoutDebug, log: () => undefined } },
    )
    // By default an old browser would fetch another build from a CDN.
    loaded.setCompat(null)
    const weights = files.filter(({ path }) => path.endsWith('.gguf')).map(({ file }) => file)
    await loaded.loadModel(weights, { n_ctx: 512, n_threads: threads, n_gpu_layers: device === 'webgpu' ? 999 : 0 })
    return {
      version: Wllama.getLibllamaVersion(),
      async generate(prompt, tokens) {
        const { choices } = await loaded.createCompletion({ prompt, max_tokens: tokens, temperature: 0, top_k: 1, seed: 1, logprobs: 1 })
        const ids = v.safeParse(TokenIds, choices[0]?.logprobs)
        return { tokenIds: ids.success ? ids.output.content.map(({ id }) => id) : [], text: choices[0]?.text ?? '' }
      },
      close: () => loaded.exit(),
    }
  },
}

export default wllama
