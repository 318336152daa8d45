import { LoggerWithoutDebug, Wllama } from '@wllama/wllama/esm/index.js'
import wasmUrl from '@wllama/wllama/esm/wasm/wllama.wasm?url'

export interface WllamaAnswer {
  readonly llamaCpp: string
  readonly vocabulary: number
  readonly layers: number
  readonly contextLength: number
  readonly metadata: Readonly<Record<string, string>>
  readonly addsBos: boolean
  /** Greedy continuation of the prompt. */
  readonly text: string
}

/** Opens a GGUF in llama.cpp compiled to WebAssembly, on the CPU, from local assets alone, and continues a prompt greedily. */
export async function askWllama(file: Blob, prompt: string, tokens: number): Promise<WllamaAnswer> {
  const wllama = new Wllama({ default: wasmUrl }, { suppressNativeLog: true, logger: { ...LoggerWithoutDebug, log: () => undefined } })
  // By default an old browser would fetch another build from a CDN.
  wllama.setCompat(null)
  try {
    await wllama.loadModel([file], { n_ctx: 128, n_threads: 1, n_gpu_layers: 0, warmup: false })
    const { hparams, meta } = wllama.getModelMetadata()
    const completion = await wllama.createCompletion({ prompt, max_tokens: tokens, temperature: 0, top_k: 1, seed: 1 })
    return {
      llamaCpp: Wllama.getLibllamaVersion(),
      vocabulary: hparams.nVocab,
      layers: hparams.nLayer,
      contextLength: hparams.nCtxTrain,
      metadata: meta,
      addsBos: wllama.mustAddBosToken(),
      text: completion.choices[0]?.text ?? '',
    }
  } finally {
    await wllama.exit()
  }
}
