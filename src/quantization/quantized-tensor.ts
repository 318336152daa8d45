/**
 * How a tensor can be stored. Each file in `encodings/` adds its own line by declaration merging: `settings` are enough for
 * plan, layout and reports, `tensor` is what holds the bytes.
 */
export interface StorageEncodings {
  /** As the checkpoint has it: nothing is stored. */
  readonly source: { readonly settings: object; readonly tensor: never }
}

/** Encodings that the walk stores. */
export type GridEncodingName = Exclude<keyof StorageEncodings, 'source'>

/** What the walk stores and exports read: a tensor on its grid. `name` is the checkpoint name of the weight. */
export type QuantizedTensor<Name extends GridEncodingName = GridEncodingName> = {
  [Key in Name]: {
    readonly name: string
    readonly rows: number
    readonly columns: number
    readonly encoding: Key
  } & StorageEncodings[Key]['tensor']
}[Name]

/** The same without its bytes. */
export type TensorEncoding<Name extends keyof StorageEncodings = keyof StorageEncodings> = {
  [Key in Name]: { readonly encoding: Key } & StorageEncodings[Key]['settings']
}[Name]

/** A tensor that leaves its source encoding. */
export type GridEncoding = TensorEncoding<GridEncodingName>
