import type { OnnxAttribute, OnnxGraph, OnnxInitializer, OnnxNode, OnnxType, OnnxValue } from './model.ts'

type InlineData = Extract<OnnxInitializer, { readonly data: unknown }>['data']
type Attributes = Readonly<Record<string, OnnxAttribute>>

/** Collects a graph node by node; every method returns the name of the value it made, to be used as an input further on. */
export class GraphBuilder {
  readonly #inputs: OnnxValue[] = []
  readonly #outputs: OnnxValue[] = []
  readonly #initializers: OnnxInitializer[] = []
  readonly #nodes: OnnxNode[] = []
  #count = 0

  input(name: string, type: OnnxType, shape: OnnxValue['shape']): string {
    this.#inputs.push({ name, type, shape })
    return name
  }

  /** Gives an existing value a public name by an Identity node, which ONNX Runtime removes. */
  output(value: string, name: string, shape: OnnxValue['shape']): void {
    this.#nodes.push({ op: 'Identity', inputs: [value], outputs: [name] })
    this.#outputs.push({ name, type: 'float', shape })
  }

  constant(data: InlineData, shape: readonly number[]): string {
    const name = this.#name('constant')
    this.#initializers.push({ name, data, shape })
    return name
  }

  /** A constant with a name of its own. */
  initializer(initializer: OnnxInitializer): string {
    this.#initializers.push(initializer)
    return initializer.name
  }

  /** A node whose results the caller names; an empty name leaves one out. */
  named(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    details: Omit<OnnxNode, 'op' | 'inputs' | 'outputs'> = {},
  ): void {
    this.#nodes.push({ op, inputs, outputs, ...details })
  }

  /** Makes an existing value an output under its own name. */
  publish(value: OnnxValue): void {
    this.#outputs.push(value)
  }

  /** An int64 vector, as Reshape and its like want. */
  integers(values: readonly number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length])
  }

  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = this.#name(op)
    this.#nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }

  /** An operator of ONNX Runtime's own domain. */
  contrib(op: string, inputs: readonly string[], attributes: Attributes): string {
    const output = this.#name(op)
    this.#nodes.push({ op, domain: 'com.microsoft', inputs, outputs: [output], attributes })
    return output
  }

  /** Cuts `value` along `axis` into `count` pieces whose lengths the int64 vector `lengths` gives at run time. */
  split(value: string, lengths: string, { axis, count }: { readonly axis: number; readonly count: number }): readonly string[] {
    const outputs = Array.from({ length: count }, () => this.#name('Split'))
    this.#nodes.push({ op: 'Split', inputs: [value, lengths], outputs, attributes: { axis: { int: axis } } })
    return outputs
  }

  build(name: string): OnnxGraph {
    return { name, inputs: this.#inputs, outputs: this.#outputs, initializers: this.#initializers, nodes: this.#nodes }
  }

  #name(base: string): string {
    this.#count += 1
    return `${base}:${String(this.#count)}`
  }
}
