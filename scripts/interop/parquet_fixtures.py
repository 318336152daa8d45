"""Small Parquet files by Apache Arrow, for the tests of src/formats/parquet and the data sets of the Hub.

pip install pyarrow; python scripts/interop/parquet_fixtures.py src/formats/parquet/golden
The rows follow from their number, so that tests compute what must be read: `golden/rows.ts` has the same rule.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = "once upon a time there was a small house by the river and in it lived".split()


def text(row: int) -> str | None:
    if row % 25 == 7:
        return None
    return " ".join(WORDS[(row * 7 + k * k * 3 + k) % len(WORDS)] for k in range(8 + row % 13)) + f" {row}\n"


def table(rows: range) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([row for row in rows], pa.int64()),
            "title": pa.array([f"title {row}" for row in rows], pa.string()),
            "text": pa.array([text(row) for row in rows], pa.string()),
        }
    )


def messages(row: int) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": f"tell me of the house {row}"},
        {"role": "assistant", "content": text(row) or "nothing"},
    ]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        pq.write_table(table(range(60)), folder / f"{codec}.parquet", compression=codec, row_group_size=20)
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    talks = pa.table({"prompt_id": [f"p{row}" for row in range(12)], "messages": pa.array([messages(row) for row in range(12)], kind)})
    pq.write_table(talks, folder / "messages.parquet", compression="zstd", row_group_size=5)
    pq.write_table(
        table(range(1500)), folder / "pages.parquet", compression="zstd", row_group_size=1500, data_page_size=4096, write_batch_size=64,
        write_page_index=True, use_dictionary=False, write_statistics=["id"],
    )
    # 300 MB in one row group, in some kilobytes: more than may be decoded at once.
    pq.write_table(pa.table({"text": ["a" * 1_000_000] * 300}), folder / "large.parquet", compression="zstd", use_dictionary=False, write_statistics=False)
    pq.write_table(pa.table({"n": pa.array([1, 2, 3], pa.int32())}), folder / "numbers.parquet", compression="none")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
