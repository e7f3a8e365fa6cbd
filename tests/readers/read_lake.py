"""Reads one release of a lake with tools that know nothing of kilde: delta-rs for Python, DuckDB, Polars.

`read_lake.py LAKE RELEASE.json` prints, for each table of the release, rows and a content hash by every reader, at the
version that the release pins: `{"gold.customers": {"delta-rs": {...}, "duckdb": {...}, "polars": {...}}, ...}`.
`read_lake.py LAKE RELEASE.json --sql "select …"` runs SQL in DuckDB over views named schema.table and prints the rows.
"""

import glob
import hashlib
import json
import os
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import polars


def duckdb_with_delta():
    folder = os.path.dirname(duckdb_extension_delta.__file__)
    extension = glob.glob(f"{folder}/extensions/v*/delta.duckdb_extension")[0]
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"load '{extension}'")
    connection.execute("set timezone = 'UTC'")
    return connection


def content(rows, columns):
    """Order-free hash of rows; only types that every reader renders alike take part."""
    plain = [i for i, (_, kind) in enumerate(columns) if kind in ("string", "int64", "int32", "date32[day]")]
    lines = sorted("\x1f".join("\x00" if row[i] is None else str(row[i]) for i in plain) for row in rows)
    return hashlib.sha256("\x1e".join(lines).encode()).hexdigest()[:16]


def read(lake, table, pin, connection):
    path = os.path.join(lake, pin["location"])
    arrow = deltalake.DeltaTable(path, version=pin["version"]).to_pyarrow_table()
    columns = [(field.name, str(field.type)) for field in arrow.schema]
    names = [name for name, _ in columns]
    by_delta = list(zip(*[arrow[name].to_pylist() for name in names]))
    quoted = ", ".join(f'"{name}"' for name in names)
    alias = f"pin_{table.replace('.', '_')}"
    connection.execute(f"attach '{path}' as {alias} (type delta, version {pin['version']})")
    by_duckdb = connection.execute(f"select {quoted} from {alias}").fetchall()
    by_polars = polars.scan_delta(path, version=pin["version"]).select(names).collect().rows()
    readers = {"delta-rs": by_delta, "duckdb": by_duckdb, "polars": by_polars}
    return {name: {"rows": len(rows), "content": content(rows, columns)} for name, rows in readers.items()} | {
        "columns": dict(columns)
    }


def main():
    lake, release = sys.argv[1], json.load(open(sys.argv[2]))
    tables = {name: pin for name, pin in release["tables"].items() if pin["kind"] == "table"}
    connection = duckdb_with_delta()
    if "--sql" in sys.argv:
        for name, pin in tables.items():
            schema, _, _ = name.partition(".")
            alias = f"pin_{name.replace('.', '_')}"
            path = os.path.join(lake, pin["location"])
            connection.execute(f"attach '{path}' as {alias} (type delta, version {pin['version']})")
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create view {name} as from {alias}")
        rows = connection.execute(sys.argv[sys.argv.index("--sql") + 1]).fetchall()
        print(json.dumps([[None if v is None else str(v) for v in row] for row in rows]))
        return
    print(json.dumps({name: read(lake, name, pin, connection) for name, pin in sorted(tables.items())}))


main()
