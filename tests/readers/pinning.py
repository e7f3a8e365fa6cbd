"""Reads a lake again and again while it is built, with delta-rs and pyarrow alone: what the newest release pins, and what the heads of
the same tables show.

`pinning.py LAKE` (a folder, or `s3://…` with `AWS_…` in the environment) looks until standard input closes, then prints
`{"looks": 120, "mixed_heads": 3, "pinned": [[release, orders, ordered in gold, town], …]}`: each different row once, in order, and how often
the heads alone disagreed with each other.
"""

import json
import os
import sys
import threading
import time
import urllib.parse

import deltalake
import pyarrow.compute
from pyarrow import fs

TABLES = ("bronze.orders", "gold.sales", "bronze.stores")


def lake_of(place):
    if "://" not in place:
        return fs.LocalFileSystem(), place, None
    url = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"])
    files = fs.S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_REGION"],
        scheme=url.scheme,
        endpoint_override=url.netloc,
    )
    return files, place.removeprefix("s3://"), {"AWS_ALLOW_HTTP": "true"}


def newest(files, below):
    listed = files.get_file_info(fs.FileSelector(f"{below}/_kilde/releases", allow_not_found=True))
    paths = [found.path for found in listed if found.path.endswith(".json")]
    if not paths:
        return None
    with files.open_input_stream(max(paths)) as stream:
        return json.loads(stream.read())


def content(place, options, pins, pinned):
    tables = []
    for name in TABLES:
        version = pins[name]["version"] if pinned else None
        path = f"{place}/{pins[name]['location']}"
        tables.append(deltalake.DeltaTable(path, version=version, storage_options=options).to_pyarrow_table())
    orders, sales, stores = tables
    ordered = pyarrow.compute.sum(sales["orders_count"]).as_py()
    return [orders.num_rows, ordered, pyarrow.compute.min(stores["town"]).as_py()]


def main():
    place = sys.argv[1]
    files, below, options = lake_of(place)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    looks, mixed, pinned = 0, 0, []
    while not ended.is_set():
        release = newest(files, below)
        if release is None or any(name not in release["tables"] for name in TABLES):
            continue
        seen = [release["number"], *content(place, options, release["tables"], True)]
        if seen not in pinned:
            pinned.append(seen)
        heads = content(place, options, release["tables"], False)
        mixed += heads[0] != heads[1]
        looks += 1
        time.sleep(0.02)
    print(json.dumps({"looks": looks, "mixed_heads": mixed, "pinned": pinned}))


main()
