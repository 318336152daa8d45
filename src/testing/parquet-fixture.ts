import { readFile } from 'node:fs/promises'

/** A file of `src/formats/parquet/golden`, written by Apache Arrow; `scripts/interop/parquet_fixtures.py` writes it again. */
export async function parquetFixture(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await readFile(new URL(`../formats/parquet/golden/${name}.parquet`, import.meta.url)))
}
