"""Rows of every CSV file of a folder, counted by DuckDB: `path,rows`, by path."""

import pathlib
import sys

import duckdb

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.rglob("*.csv"), key=lambda path: str(path.relative_to(folder))):
    rows = duckdb.execute(
        "select count(*) from read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')",
        [str(path)],
    ).fetchone()[0]
    print(f"{path.relative_to(folder)},{rows}")
