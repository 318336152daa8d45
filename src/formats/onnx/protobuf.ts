const wireTypes = { varint: 0, lengthDelimited: 2, fixed32: 5 } as const

/**
 * Just enough of the protobuf wire format to write messages: varints, 32-bit floats and length-delimited fields.
 * https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  /** A signed or unsigned integer field; negative values take ten bytes, as int64 does. */
  integer(field: number, value: number | bigint): this {
    this.#varint(BigInt(field * 8 + wireTypes.varint))
    this.#varint(BigInt.asUintN(64, BigInt(value)))
    return this
  }

  float(field: number, value: number): this {
    this.#varint(BigInt(field * 8 + wireTypes.fixed32))
    this.#reserve(4)
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true)
    this.#length += 4
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(BigInt(field * 8 + wireTypes.lengthDelimited))
    this.#varint(BigInt(value.length))
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }

  message(field: number, write: (inner: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter()
    write(inner)
    return this.bytes(field, inner.finish())
  }

  /** Packed repeated int64. */
  packedIntegers(field: number, values: readonly (number | bigint)[]): this {
    const inner = new ProtobufWriter()
    for (const value of values) inner.#varint(BigInt.asUintN(64, BigInt(value)))
    return this.bytes(field, inner.finish())
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }

  #varint(value: bigint): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest % 0x80n) + 0x80
      rest /= 0x80n
    }
    this.#bytes[this.#length++] = Number(rest)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}
