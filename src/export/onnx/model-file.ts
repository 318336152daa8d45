import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError } from '../../core/errors.ts'
import {
  defaultVersions,
  encodeModel,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxValue,
  onnxTypes,
} from '../../formats/onnx/model.ts'
import { decodeModel, type ReadInitializer, type ReadModel, type ReadNode, type ReadValue } from '../../formats/onnx/read.ts'
import { proofFailed } from '../proof.ts'
import type { ExportedFile } from '../target.ts'

/** A graph as a file. Its proof decodes the file by a reader of its own and compares every node, constant and place of a weight. */
export function modelFile(path: string, graph: OnnxGraph): ExportedFile {
  const bytes = encodeModel(graph)
  return {
    path,
    sizeBytes: bytes.length,
    async *write() {
      yield bytes.slice()
    },
    async verify(_source, written, { signal }) {
      compareModels(parseBack(await written.read(0, written.sizeBytes, signal)), graph)
    },
  }
}

function parseBack(bytes: Uint8Array): ReadModel {
  try {
    return decodeModel(bytes)
  } catch (error) {
    if (error instanceof StudioError && error.code === 'file-damaged')
      throw proofFailed('The graph', `cannot be read back: ${error.message}`)
    throw error
  }
}

/** Throws `proof-failed` naming what differs. */
function compareModels(found: ReadModel, graph: OnnxGraph): void {
  const { ir, opset } = graph.versions ?? defaultVersions
  check('The versions', found.irVersion === ir && isEqual(found.opsets, { '': opset, 'com.microsoft': 1 }))
  sameList('The inputs', found.inputs, graph.inputs, sameValue)
  sameList('The outputs', found.outputs, graph.outputs, sameValue)
  sameList('The tensors', found.initializers, graph.initializers, sameInitializer)
  sameList('The nodes', found.nodes, graph.nodes, sameNode)
}

function check(what: string, holds: boolean): void {
  if (!holds) throw proofFailed(what, 'differs after reading back')
}

function sameList<Found, Wanted extends { readonly name?: string; readonly op?: string }>(
  what: string,
  found: readonly Found[],
  wanted: readonly Wanted[],
  same: (found: Found, wanted: Wanted) => boolean,
): void {
  check(what, found.length === wanted.length)
  for (const [index, each] of wanted.entries()) {
    const other = found[index]
    check(`${what}: ${each.name ?? each.op ?? index}`, other !== undefined && same(other, each))
  }
}

function sameValue(found: ReadValue, { name, type, shape }: OnnxValue): boolean {
  return found.name === name && found.type === onnxTypes[type] && isEqual(found.shape, shape)
}

function sameInitializer(found: ReadInitializer, wanted: OnnxInitializer): boolean {
  if (found.name !== wanted.name || !isEqual(found.shape, wanted.shape)) return false
  if ('external' in wanted) return found.type === onnxTypes[wanted.type] && isEqual(found.data, wanted.external)
  const { data } = wanted
  return found.data instanceof Uint8Array && equalBytes(found.data, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

function sameNode(found: ReadNode, { op, domain, inputs, outputs, attributes }: OnnxGraph['nodes'][number]): boolean {
  return (
    found.op === op &&
    found.domain === (domain ?? '') &&
    isEqual(found.inputs, inputs) &&
    isEqual(found.outputs, outputs) &&
    isEqual(found.attributes, Object.fromEntries(Object.entries(attributes ?? {}).map(([key, value]) => [key, plain(value)])))
  )
}

/** An attribute as a reader sees it: floats in single precision. */
function plain(attribute: OnnxAttribute): number | string | readonly number[] {
  if ('float' in attribute) return Math.fround(attribute.float)
  if ('int' in attribute) return attribute.int
  return 'string' in attribute ? attribute.string : attribute.ints
}

/** Of plain data whose keys stand in one order. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
