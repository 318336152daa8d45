// Makes a Llama-family checkpoint of any size with random heavy-tailed weights, for memory and speed measurements and tests.
//   node scripts/synthetic-checkpoint.mjs --out DIR [--shape tiny|block14|tinyllama] [--layers N] [--shards N] [--seed N] [--dtype BF16|F32]
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

/** Named shapes; `layers` can be changed, so that checkpoints of one block size come in any length. */
export const shapes = {
  /** Some 0.4 MB: unit and end-to-end tests. */
  tiny: { hidden: 64, intermediate: 128, layers: 3, heads: 4, kvHeads: 2, vocab: 320 },
  /** One block is about 14 MB in bf16: memory measurements. */
  block14: { hidden: 768, intermediate: 2048, layers: 18, heads: 12, kvHeads: 12, vocab: 320 },
  /** TinyLlama-1.1B. */
  tinyllama: { hidden: 2048, intermediate: 5632, layers: 22, heads: 32, kvHeads: 4, vocab: 32000 },
}

/**
 * Writes config.json, tokenizer files and safetensors into `out`; returns { bytes, parameters, files }. The same seed gives the
 * same bytes, and the same values (bfloat16's) in either dtype.
 */
export function makeSyntheticCheckpoint({ out, shape = shapes.tiny, shards = 1, seed = 1, dtype = 'BF16', config: extraConfig = {} }) {
  mkdirSync(out, { recursive: true })
  const headDim = shape.hidden / shape.heads
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    vocab_size: shape.vocab,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    bos_token_id: 256,
    eos_token_id: 257,
    torch_dtype: dtype === 'F32' ? 'float32' : 'bfloat16',
    ...extraConfig,
  }
  writeFileSync(path.join(out, 'config.json'), JSON.stringify(config, null, 2))
  writeFileSync(path.join(out, 'tokenizer.json'), JSON.stringify(byteTokenizer()))
  writeFileSync(
    path.join(out, 'tokenizer_config.json'),
    JSON.stringify({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<s>',
      eos_token: '</s>',
      add_bos_token: true,
      add_eos_token: false,
    }),
  )

  const tensors = [['model.embed_tokens.weight', [shape.vocab, shape.hidden]]]
  for (let n = 0; n < shape.layers; n++) {
    const block = `model.layers.${n}`
    tensors.push(
      [`${block}.input_layernorm.weight`, [shape.hidden]],
      [`${block}.self_attn.q_proj.weight`, [shape.heads * headDim, shape.hidden]],
      [`${block}.self_attn.k_proj.weight`, [shape.kvHeads * headDim, shape.hidden]],
      [`${block}.self_attn.v_proj.weight`, [shape.kvHeads * headDim, shape.hidden]],
      [`${block}.self_attn.o_proj.weight`, [shape.hidden, shape.heads * headDim]],
      [`${block}.post_attention_layernorm.weight`, [shape.hidden]],
      [`${block}.mlp.gate_proj.weight`, [shape.intermediate, shape.hidden]],
      [`${block}.mlp.up_proj.weight`, [shape.intermediate, shape.hidden]],
      [`${block}.mlp.down_proj.weight`, [shape.hidden, shape.intermediate]],
    )
  }
  tensors.push(['model.norm.weight', [shape.hidden]], ['lm_head.weight', [shape.vocab, shape.hidden]])

  const elementCount = (dims) => dims.reduce((a, b) => a * b, 1)
  const size = dtype === 'F32' ? 4 : 2
  const total = tensors.reduce((sum, [, dims]) => sum + size * elementCount(dims), 0)
  const pool = heavyTailedPool(seed, dtype)
  const weightMap = {}
  const files = []
  let next = 0
  for (let shard = 0; shard < shards; shard++) {
    const name = shards === 1 ? 'model.safetensors' : `model-${pad5(shard + 1)}-of-${pad5(shards)}.safetensors`
    const mine = []
    let bytes = 0
    while (next < tensors.length && (shard === shards - 1 || bytes < total / shards)) {
      mine.push(tensors[next])
      bytes += size * elementCount(tensors[next][1])
      weightMap[tensors[next][0]] = name
      next++
    }
    writeShard(path.join(out, name), mine, { pool, dtype, size })
    files.push(name)
  }
  if (shards > 1) {
    writeFileSync(
      path.join(out, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }),
    )
  }
  return { bytes: total, parameters: total / size, files }
}

function writeShard(file, tensors, { pool, dtype, size }) {
  const header = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const [name, dims] of tensors) {
    const bytes = size * dims.reduce((a, b) => a * b, 1)
    header[name] = { dtype, shape: dims, data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  let text = JSON.stringify(header)
  text = text.padEnd(Math.ceil((8 + text.length) / 8) * 8 - 8, ' ')
  const handle = openSync(file, 'w')
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  writeSync(handle, length)
  writeSync(handle, text)
  let start = 0
  for (const [, dims] of tensors) {
    let left = dims.reduce((a, b) => a * b, 1)
    // Norm gains near 1; matrices scaled by 1 / sqrt(in) as a trained model's are.
    const values = dims.length === 1 ? pool.gains : pool.weights(dims[1])
    while (left > 0) {
      const from = start % (values.length / 2)
      const count = Math.min(left, values.length - from)
      writeSync(handle, new Uint8Array(values.buffer, size * from, size * count))
      left -= count
      start += 12_289
    }
  }
  closeSync(handle)
}

/** Student-t (5 degrees of freedom) values, made once and cut from at moving offsets. */
function heavyTailedPool(seed, dtype) {
  const stored = (values) => (dtype === 'F32' ? widened(toBfloat16(values)) : toBfloat16(values))
  const size = 1 << 20
  const random = mulberry32(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const base = Float32Array.from({ length: size }, () => {
    let chi = 0
    for (let i = 0; i < 5; i++) chi += normal() ** 2
    return normal() / Math.sqrt(chi / 5)
  })
  const byWidth = new Map()
  return {
    gains: stored(Float32Array.from({ length: size }, () => 1 + 0.05 * normal())),
    weights(width) {
      if (!byWidth.has(width)) byWidth.set(width, stored(base.map((x) => x * (0.7 / Math.sqrt(width)))))
      return byWidth.get(width)
    },
  }
}

function toBfloat16(values) {
  const bits = new Uint32Array(values.buffer)
  return Uint16Array.from(bits, (x) => (x + 0x7fff + ((x >>> 16) & 1)) >>> 16)
}

/** bfloat16 as f32. */
function widened(values) {
  return new Float32Array(Uint32Array.from(values, (x) => x << 16).buffer)
}

function mulberry32(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Byte-level BPE without merges: 256 bytes, <s>, </s>. */
function byteTokenizer() {
  const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)]
  const vocab = {}
  let extra = 0
  for (let byte = 0; byte < 256; byte++) vocab[String.fromCodePoint(printable.includes(byte) ? byte : 256 + extra++)] = byte
  const special = (id, content) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(256, '<s>'), special(257, '</s>')],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [256], tokens: ['<s>'] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: [],
    },
  }
}

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
const pad5 = (n) => String(n).padStart(5, '0')

// By its name: bundled into another program it is not the program.
if (path.basename(process.argv[1] ?? '') === 'synthetic-checkpoint.mjs') {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      shape: { type: 'string', default: 'tiny' },
      layers: { type: 'string' },
      shards: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      dtype: { type: 'string', default: 'BF16' },
    },
  })
  const shape = shapes[values.shape]
  if (values.out === undefined || shape === undefined) {
    console.error(`Give --out DIR and --shape ${Object.keys(shapes).join('|')}.`)
    process.exit(2)
  }
  const made = makeSyntheticCheckpoint({
    out: values.out,
    shape: { ...shape, layers: Number(values.layers ?? shape.layers) },
    shards: Number(values.shards),
    seed: Number(values.seed),
    dtype: values.dtype,
  })
  console.log(
    `${made.parameters.toLocaleString('en')} parameters, ${made.bytes.toLocaleString('en')} bytes in ${made.files.length} file(s)`,
  )
}
