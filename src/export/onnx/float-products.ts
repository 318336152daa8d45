import type { GraphBuilder } from '../../formats/onnx/builder.ts'

/** x W^T for matrices on no grid: `Gemm` with W as [out, in], as the checkpoint has it, so that a tied matrix is stored once. */
export class FloatProducts {
  readonly #builder: GraphBuilder
  readonly #inputIds: string
  readonly #shapes = new Map<number, string>()
  #leading: string | null = null

  /** `inputIds` is [batch, length], as the values are in front. */
  constructor(builder: GraphBuilder, inputIds: string) {
    this.#builder = builder
    this.#inputIds = inputIds
  }

  /** [batch, length, rows] under the name `output`, from [batch, length, columns]. */
  product(
    value: string,
    weight: string,
    { rows, columns, output }: { readonly rows: number; readonly columns: number; readonly output: string },
  ): string {
    const flat = this.#builder.node('Reshape', [value, this.#builder.integers([-1, columns])])
    const product = this.#builder.node('Gemm', [flat, weight], { transB: { int: 1 } })
    this.#builder.named('Reshape', [product, this.#shapeWith(rows)], [output])
    return output
  }

  /** [batch, length, width] as Reshape wants it. */
  #shapeWith(width: number): string {
    const builder = this.#builder
    this.#leading ??= builder.node('Shape', [this.#inputIds])
    const shape = this.#shapes.get(width) ?? builder.node('Concat', [this.#leading, builder.integers([width])], { axis: { int: 0 } })
    this.#shapes.set(width, shape)
    return shape
  }
}
