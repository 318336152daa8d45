import { modelName } from '../../gguf/metadata.ts'
import { textFile } from '../../text-files.ts'
import { fileEnding, type Guide, type GuideScene, shell, threadsFlag } from '../guide.ts'

/** GGUF: llama.cpp's server, Ollama, and the tab. */
const llamaCpp: Guide = {
  targets: ['gguf'],
  firstCommand: ({ files, contextLength, device }) =>
    `llama-server -m ${fileEnding(files, '.gguf')} -c ${contextLength}${threadsFlag(device, '-t')}`,
  steps: (scene) => [install(scene), run(scene), ollama(scene), inTab(scene)].filter((part) => part !== '').join('\n\n'),
  files: (scene) => (hasParts(scene) ? [] : [textFile('Modelfile', modelfile(scene))]),
}

export default llamaCpp

/** Ollama imports one file, not parts of one. */
const hasParts = ({ files }: GuideScene): boolean => files.filter(({ path }) => path.endsWith('.gguf')).length > 1

function install({ device }: GuideScene): string {
  const cuda = device?.group === 'jetson' || device?.group === 'nvidia'
  const flags = cuda ? ' -DGGML_CUDA=ON' : ''
  if (device?.group === 'phone') {
    return `## Install\n\nOn Android, in Termux; on an iPhone use an app built on llama.cpp and open the file with it.\n\n${shell(
      'pkg install git cmake clang',
      'git clone --depth 1 https://github.com/ggml-org/llama.cpp && cd llama.cpp',
      'cmake -B build && cmake --build build --config Release -j 4',
    )}`
  }
  return `## Install\n\n${shell(
    'sudo apt install -y git cmake build-essential',
    'git clone --depth 1 https://github.com/ggml-org/llama.cpp && cd llama.cpp',
    `cmake -B build${flags} && cmake --build build --config Release -j 4`,
    'export PATH="$PWD/build/bin:$PATH"',
  )}\n\nOn macOS and Windows: \`brew install llama.cpp\`, \`winget install llama.cpp\`.`
}

function run(scene: GuideScene): string {
  const { facts, device, contextLength } = scene
  const small = device !== null && device.usableBytes < 1e9
  const server = `${llamaCpp.firstCommand(scene)} --host 0.0.0.0 --port 8080${small ? ' -ub 64' : ''}`
  const hasTemplate = facts.checkpoint.tokenizerFiles.chatTemplate !== null
  const ask = hasTemplate
    ? `curl http://localhost:8080/v1/chat/completions -H 'Content-Type: application/json' -d '{"messages":[{"role":"user","content":"Hello"}],"max_tokens":64}'`
    : `curl http://localhost:8080/completion -H 'Content-Type: application/json' -d '{"prompt":"Once upon a time","n_predict":64}'`
  const parts = hasParts(scene) ? '\n\nThe model is in parts: name the first, the others lie beside it.' : ''
  return `## Run\n\nA server with the API of OpenAI, and a page at port 8080:\n\n${shell(server, ask)}\n\nMeasure it: \`llama-bench -m ${fileEnding(scene.files, '.gguf')}${threadsFlag(device, '-t')}\`. ${
    small ? '`-ub 64` keeps the work space small.' : ''
  }${parts}${contextLength < facts.checkpoint.graph.config.maxPositions ? `\n\nThe model reads up to ${facts.checkpoint.graph.config.maxPositions} tokens; \`-c\` sets how many are kept, which costs memory.` : ''}`.trimEnd()
}

function ollama(scene: GuideScene): string {
  if (hasParts(scene) || scene.device?.group === 'browser' || scene.device?.group === 'phone') return ''
  const name = modelName(scene.facts.checkpoint).toLowerCase()
  return `## Ollama\n\n${shell(`ollama create ${name} -f Modelfile`, `ollama run ${name}`)}`
}

function inTab({ device, files }: GuideScene): string {
  if (device?.group !== 'browser') return ''
  return `## In a page\n\n${[
    '```js',
    `import { Wllama } from '@wllama/wllama/esm/index.js'`,
    `import wasm from '@wllama/wllama/esm/wasm/wllama.wasm?url'`,
    '',
    'const wllama = new Wllama({ default: wasm })',
    `await wllama.loadModelFromUrl(new URL('${fileEnding(files, '.gguf')}', location.href).href)`,
    `const { choices } = await wllama.createCompletion({ prompt: 'Once upon a time', max_tokens: 64 })`,
    '```',
  ].join('\n')}\n\nThreads need the headers \`Cross-Origin-Opener-Policy: same-origin\` and \`Cross-Origin-Embedder-Policy: require-corp\`.`
}

/** Ollama finds a known chat template in the file by itself; a model without one gets the bare prompt. */
function modelfile({ facts, files, contextLength, device }: GuideScene): string {
  const lines = [`FROM ./${fileEnding(files, '.gguf')}`, `PARAMETER num_ctx ${contextLength}`]
  if (device !== null && device.threads !== null) lines.push(`PARAMETER num_thread ${device.threads}`)
  if (facts.checkpoint.tokenizerFiles.chatTemplate === null) lines.push('TEMPLATE """{{ .Prompt }}"""')
  return `${lines.join('\n')}\n`
}
