"""Opens what `kilde connect` printed with the tools that it is for; prints the rows of each table by each of them.

`connect.py DUCKDB.sql POLARS.py KILDE.pbids QUERY.m` → `{"duckdb": {"gold.customers": 2}, "polars": …, "pbids": …, "m": …}`,
and `comments`: what delta-rs reads of the first Polars table's description and columns. Without the last two, only what the first
two read.
"""

import glob
import importlib
import json
import os
import re
import sys

import deltalake
import duckdb
import pyarrow.parquet


def packaged(match):
    """Extensions come from packages here, not from DuckDB's own server."""
    name = match.group(1)
    folder = os.path.dirname(importlib.import_module(f"duckdb_extension_{name}").__file__)
    extension = glob.glob(f"{folder}/extensions/v*/{name}.duckdb_extension")[0]
    return f"load '{extension}';\n"


def by_duckdb(script):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(re.sub(r"install (\w+);\nload \1;\n", packaged, script))
    views = connection.execute("select schema_name || '.' || view_name from duckdb_views() where not internal").fetchall()
    return {name: connection.execute(f"select count(*) from {name}").fetchone()[0] for (name,) in views}


def by_polars(script):
    names = {}
    exec(script, names)
    return {name: frame.collect().height for name, frame in names["tables"].items()}


def by_pbids(text):
    (connection,) = json.loads(text)["connections"]
    assert connection["details"]["protocol"] == "folder"
    folder = connection["details"]["address"]["path"]
    files = glob.glob(f"{folder}/*.parquet")
    return {os.path.basename(file).removesuffix(".parquet"): pyarrow.parquet.read_table(file).num_rows for file in files}


def by_m(query):
    rows = {}
    for name, body in re.findall(r'\{"([a-z_0-9.]+)", (.*?)\}(?=,\n        \{"|\n    \}\))', query, re.S):
        files = re.findall(r'File\.Contents\("([^"]+)"\)', body)
        rows[name] = sum(pyarrow.parquet.ParquetFile(file).metadata.num_rows for file in files)
    return rows


def comments(script):
    path, version = re.search(r'scan_delta\("([^"]+)", version=(\d+)\)', script).groups()
    table = deltalake.DeltaTable(path, version=int(version))
    columns = {field.name: field.metadata.get("comment") for field in table.schema().fields}
    return {"table": table.metadata().description, "columns": columns}


def main():
    texts = [open(path).read() for path in sys.argv[1:5]]
    if len(texts) == 2:
        print(json.dumps({"duckdb": by_duckdb(texts[0]), "polars": by_polars(texts[1])}))
        return
    print(
        json.dumps(
            {
                "duckdb": by_duckdb(texts[0]),
                "polars": by_polars(texts[1]),
                "pbids": by_pbids(texts[2]),
                "m": by_m(texts[3]),
                "comments": comments(texts[1]),
            }
        )
    )


main()
