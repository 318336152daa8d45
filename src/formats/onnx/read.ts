import { StudioError } from '../../core/errors.ts'

/** Just what is said in the file, by field names of onnx.proto3; 64-bit integers beyond 2^53 do not occur in models. */
export interface ReadModel {
  readonly irVersion: number
  readonly opsets: Readonly<Record<string, number>>
  readonly inputs: readonly ReadValue[]
  readonly outputs: readonly ReadValue[]
  readonly nodes: readonly ReadNode[]
  readonly initializers: readonly ReadInitializer[]
}

export interface ReadValue {
  readonly name: string
  readonly type: number
  readonly shape: readonly (number | string)[]
}

export interface ReadNode {
  readonly op: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, number | string | readonly number[]>>
}

export interface ReadInitializer {
  readonly name: string
  readonly type: number
  readonly shape: readonly number[]
  /** Inside the file, or where it is outside. */
  readonly data: Uint8Array | { readonly location: string; readonly offset: number; readonly length: number }
}

type Field = { readonly number: number } & (
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'fixed32'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
)

/** Reads a ModelProto. Throws `file-damaged` for bytes that are none. */
export function decodeModel(bytes: Uint8Array): ReadModel {
  const model = fieldsOf(bytes)
  const graph = fieldsOf(only(model, 7))
  return {
    irVersion: integer(model, 1),
    opsets: Object.fromEntries(parts(model, 8).map((opset) => [string(opset, 1), integer(opset, 2)])),
    nodes: parts(graph, 1).map(node),
    initializers: parts(graph, 5).map(initializer),
    inputs: parts(graph, 11).map(value),
    outputs: parts(graph, 12).map(value),
  }
}

function node(fields: readonly Field[]): ReadNode {
  return {
    inputs: strings(fields, 1),
    outputs: strings(fields, 2),
    op: string(fields, 4),
    domain: string(fields, 7),
    attributes: Object.fromEntries(parts(fields, 5).map((attribute) => [string(attribute, 1), attributeValue(attribute)])),
  }
}

function attributeValue(fields: readonly Field[]): number | string | readonly number[] {
  const type = integer(fields, 20)
  if (type === 1) {
    const found = fields.find((field) => field.number === 2)
    if (found?.kind === 'fixed32') return found.value
  } else if (type === 2) return integer(fields, 3)
  else if (type === 3) return string(fields, 4)
  else if (type === 7) return packed(fields, 8)
  throw damaged(`it has an attribute of type ${type}`)
}

function value(fields: readonly Field[]): ReadValue {
  const tensor = fieldsOf(only(fieldsOf(only(fields, 2)), 1))
  const shape = parts(fieldsOf(only(tensor, 2)), 1).map((dimension) => {
    const named = string(dimension, 2)
    return named === '' ? integer(dimension, 1) : named
  })
  return { name: string(fields, 1), type: integer(tensor, 1), shape }
}

function initializer(fields: readonly Field[]): ReadInitializer {
  const head = { name: string(fields, 8), type: integer(fields, 2), shape: packed(fields, 1) }
  if (integer(fields, 14) === 0) return { ...head, data: only(fields, 9) }
  const pairs = new Map(parts(fields, 13).map((pair) => [string(pair, 1), string(pair, 2)]))
  return {
    ...head,
    data: { location: pairs.get('location') ?? '', offset: Number(pairs.get('offset')), length: Number(pairs.get('length')) },
  }
}

/** The fields of a message in order. Every step checks the end, so that broken lengths end here. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: Field[] = []
  let at = 0
  const varint = (): number => {
    let result = 0n
    for (let place = 1n; place < 2n ** 70n; place *= 128n) {
      if (at >= bytes.length) throw damaged('it ends within a number')
      const byte = BigInt(view.getUint8(at))
      at += 1
      result += (byte % 128n) * place
      if (byte < 128n) return Number(BigInt.asIntN(64, result))
    }
    throw damaged('it has a number of more than 64 bits')
  }
  while (at < bytes.length) {
    const key = varint()
    const number = Math.floor(key / 8)
    switch (key % 8) {
      case 0:
        fields.push({ number, kind: 'integer', value: varint() })
        break
      case 2: {
        const length = varint()
        if (length < 0 || at + length > bytes.length) throw damaged('a field reaches beyond its end')
        fields.push({ number, kind: 'bytes', value: bytes.subarray(at, at + length) })
        at += length
        break
      }
      case 5:
        if (at + 4 > bytes.length) throw damaged('it ends within a number')
        fields.push({ number, kind: 'fixed32', value: view.getFloat32(at, true) })
        at += 4
        break
      default:
        throw damaged(`it has a field of wire type ${key % 8}`)
    }
  }
  return fields
}

/** Messages of a repeated field. */
function parts(fields: readonly Field[], number: number): Field[][] {
  return all(fields, number).map((bytes) => fieldsOf(bytes))
}

function all(fields: readonly Field[], number: number): Uint8Array[] {
  return fields.flatMap((field) => (field.number === number && field.kind === 'bytes' ? [field.value] : []))
}

function only(fields: readonly Field[], number: number): Uint8Array {
  const [first] = all(fields, number)
  if (first === undefined) throw damaged(`field ${number} is missing`)
  return first
}

function strings(fields: readonly Field[], number: number): string[] {
  return all(fields, number).map((bytes) => text.decode(bytes))
}

const text = new TextDecoder()

/** Empty when absent, as proto3 has it. */
function string(fields: readonly Field[], number: number): string {
  return strings(fields, number)[0] ?? ''
}

/** 0 when absent, as proto3 has it. */
function integer(fields: readonly Field[], number: number): number {
  const found = fields.find((field) => field.number === number)
  return found?.kind === 'integer' ? found.value : 0
}

function packed(fields: readonly Field[], number: number): number[] {
  // A packed field is the numbers of a message without its keys: each is read as if it had one.
  return all(fields, number).flatMap((bytes) => {
    const numbers: number[] = []
    for (let start = 0; start < bytes.length; ) {
      const length = bytes.subarray(start).findIndex((byte) => byte < 128) + 1
      if (length === 0) throw damaged('it ends within a number')
      const [field] = fieldsOf(Uint8Array.of(8, ...bytes.subarray(start, start + length)))
      numbers.push(field?.kind === 'integer' ? field.value : 0)
      start += length
    }
    return numbers
  })
}

function damaged(fact: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This is no ONNX model',
    message: `The file cannot be read as an ONNX model: ${fact}.`,
    remedy: 'Take the file from where it was made once more.',
  })
}
