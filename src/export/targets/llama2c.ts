import { throwIfAborted } from '../../core/errors.ts'
import { widenValues } from '../../core/widen.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { Scratch } from '../../io/scratch.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { interleaveRows, separateRows } from '../gguf/head-rows.ts'
import { type Int8Matrix, int8Codes } from '../int8-codes.ts'
import { int8Values, positiveZeros } from '../int8-values.ts'
import { headerOf, type Llama2cPlan, type PlannedMatrix, planFile, runnerNormEps, supportsModel } from '../llama2c/plan.ts'
import { readLlama2c, readTokenizer, rowReader } from '../llama2c/read.ts'
import { type Llama2cToken, llama2cTokenizer, tokenizerBytes } from '../llama2c/tokenizer.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import { sameInt8 } from '../same-int8.ts'
import { mostHeldBytes, tilesOf } from '../stored-tiles.ts'
import type { ExportedFile, ExportFacts, ExportSource, ExportTarget } from '../target.ts'

/** The int8 file of llama2.c, for its runner of one C file and those made from it for microcontrollers. */
const llama2c: ExportTarget = {
  id: 'llama2c',
  title: 'llama2.c int8',
  explanation: 'Two files for runq.c, a runner in one file of C that also runs on microcontrollers such as the ESP32.',

  supports(facts) {
    const model = supportsModel(facts)
    if (model !== true) return model
    const tokenizer = llama2cTokenizer(facts.checkpoint)
    return 'refusal' in tokenizer ? tokenizer.refusal : true
  },

  notes(facts) {
    if (supportsModel(facts) !== true) return []
    const { group, config } = planFile(facts)
    const tokenizer = llama2cTokenizer(facts.checkpoint)
    return [
      `Scales are stored for groups of ${group} weights: the widest, up to 64, that divides every row. They take ${(32 / group).toFixed(1)} bits a weight.`,
      `The runner rounds the inputs of every linear to 8 bits in groups of ${group}; the figures here are for float inputs.`,
      ...(config.normEps === runnerNormEps
        ? []
        : [`The runner adds 1e-5 inside its norms, and this model ${config.normEps}; change it in rmsnorm before compiling.`]),
      ...('refusal' in tokenizer ? [] : tokenizer.notes),
    ]
  },

  layout(facts) {
    const tokenizer = llama2cTokenizer(facts.checkpoint)
    return [modelFile(facts), ...('refusal' in tokenizer ? [] : [tokenizerFile(tokenizer.tokens)])]
  },
}

export default llama2c

function modelFile(facts: ExportFacts): ExportedFile {
  const plan = planFile(facts)
  return {
    path: 'model.bin',
    sizeBytes: plan.sizeBytes,
    async *write(source, signal) {
      const memory = new Scratch()
      yield headerOf(plan)
      for (const { name } of plan.norms) yield bytesOf(await source.readFloat(name, { rowStart: 0, rowEnd: 1 }, signal))
      for (const matrix of plan.matrices) {
        throwIfAborted(signal)
        const unit = tileUnit(matrix, plan)
        const scales: Uint8Array<ArrayBuffer>[] = []
        const areHeld = scaleBytes(matrix, plan) <= mostHeldBytes
        for await (const { tile } of tilesOf(source, matrix.name, signal, unit)) {
          const made = int8Codes(tile, memory)
          if (areHeld) scales.push(scalesInFile(made, matrix, plan))
          yield codesInFile(made, matrix, plan)
        }
        yield* scales
        if (areHeld) continue
        for await (const { tile } of tilesOf(source, matrix.name, signal, unit)) yield scalesInFile(int8Codes(tile, memory), matrix, plan)
      }
    },
    verify: (source, written, options) => verify(plan, source, written, options),
  }
}

function tokenizerFile(tokens: readonly Llama2cToken[]): ExportedFile {
  const bytes = tokenizerBytes(tokens)
  return {
    path: 'tokenizer.bin',
    sizeBytes: bytes.length,
    async *write() {
      yield bytes.slice()
    },
    async verify(_source, written, { signal }) {
      const read = readTokenizer(await written.read(0, written.sizeBytes, signal), tokens.length)
      const longest = Math.max(...tokens.map(({ text }) => new TextEncoder().encode(text).length))
      if (read.longest !== longest) throw proofFailed('The tokenizer', `names ${read.longest} bytes for its longest token of ${longest}`)
      for (const [id, { text, score }] of tokens.entries()) {
        const found = read.tokens[id]
        if (found?.text !== text || found.score !== Math.fround(score)) throw proofFailed(`Token ${id}`, 'differs after reading back')
      }
    },
  }
}

/** Rows of heads are re-ordered, so tiles hold whole ones. */
function tileUnit({ isInterleaved }: PlannedMatrix, { config }: Llama2cPlan): number {
  return isInterleaved ? config.headDim : 1
}

/** Heads' rows are interleaved in the file. */
function arrange(bytes: Uint8Array<ArrayBuffer>, rows: number, { isInterleaved }: PlannedMatrix, { config }: Llama2cPlan) {
  return isInterleaved ? interleaveRows(bytes, { headDim: config.headDim, rowBytes: bytes.length / rows }) : bytes
}

function codesInFile(matrix: Int8Matrix, planned: PlannedMatrix, plan: Llama2cPlan): Uint8Array<ArrayBuffer> {
  return arrange(bytesOf(matrix.codes), matrix.rows, planned, plan)
}

/** Of all scales of a matrix. */
function scaleBytes({ rows, columns }: PlannedMatrix, { group }: Llama2cPlan): number {
  return 4 * rows * (columns / group)
}

/** One scale for each `plan.group` columns, which divide a run and a row. */
function scalesInFile({ rows, columns, run, scales }: Int8Matrix, planned: PlannedMatrix, plan: Llama2cPlan): Uint8Array<ArrayBuffer> {
  const groups = columns / plan.group
  if (run === plan.group) return arrange(bytesOfFloats(scales.slice()), rows, planned, plan)
  const repeated = new Float32Array(rows * groups)
  for (let row = 0, at = 0, from = 0; row < rows; row++) {
    for (const end = at + groups; at < end; from++) {
      for (const last = Math.min(end, at + run / plan.group); at < last; at++) repeated[at] = scales[from] ?? 0
    }
  }
  return arrange(bytesOf(repeated), rows, planned, plan)
}

function bytesOf(values: Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function int8In({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): Int8Array<ArrayBuffer> {
  return new Int8Array(buffer, byteOffset, length)
}

/** Reads the file as the runner does and compares every norm and every dequantized matrix with what is stored. */
async function verify(
  plan: Llama2cPlan,
  source: ExportSource,
  written: ByteSource,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<void> {
  const file = await readLlama2c(written, signal)
  const { config } = plan
  const wanted = [config.hidden, config.intermediate, config.layers, config.heads, config.kvHeads, config.vocab, config.maxPositions]
  const found = [file.dim, file.hiddenDim, file.layers, file.heads, file.kvHeads, file.vocabSize, file.seqLen]
  if (wanted.join() !== found.join() || file.isShared !== plan.isShared || file.groupSize !== plan.group)
    throw proofFailed('The header', 'holds other sizes after reading back')
  for (const [index, { name, elements }] of plan.norms.entries()) {
    const start = file.normStart + 4 * index * elements
    const values = new Float32Array((await written.read(start, start + 4 * elements, signal)).buffer)
    proveEqual(`Tensor ${name}`, values, await source.readFloat(name, { rowStart: 0, rowEnd: 1 }, signal))
  }
  for (const [index, matrix] of plan.matrices.entries()) {
    const { name, columns, isInterleaved } = matrix
    const place = file.matrices[index]
    if (place === undefined) throw proofFailed(`Tensor ${name}`, 'is missing after reading back')
    const headDim = file.dim / file.heads
    const readRows = rowReader(written, place, file.groupSize, signal)
    for await (const { rowStart, tile } of tilesOf(source, name, signal, tileUnit(matrix, plan))) {
      const inFile = await readRows({ rowStart, rowEnd: rowStart + tile.rows })
      const inOrder = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
        isInterleaved ? separateRows(bytes, { headDim, rowBytes: bytes.length / tile.rows }) : bytes
      const found = {
        codes: int8In(inOrder(inFile.codes)),
        scales: widenValues('F32', inOrder(inFile.scales)),
        run: file.groupSize,
      }
      // Equal codes and scales are equal weights.
      if (sameInt8(found, tile)) continue
      const expected = await storage.get(tile.encoding).dequantize(tile, kernels, signal)
      proveEqual(`Tensor ${name}`, positiveZeros(int8Values(found)), positiveZeros(expected), rowStart * columns)
    }
  }
}
