"""Changes one table of a lake as a tool does that knows nothing of kilde: delta-rs for Python.

`change_lake.py TABLE_FOLDER ACTION`, where ACTION is one of `optimize`, `vacuum` (with the table's own retention), `vacuum-all`
(every file that the newest version does not name), `restore VERSION`, `delete CONDITION`, `property NAME VALUE`, `clean` (its log keeps nothing before a
checkpoint of now), or `append JSON` with a list of rows.
"""

import json
import sys

import deltalake
import pyarrow

folder, action, *rest = sys.argv[1:]
table = deltalake.DeltaTable(folder)
if action == "optimize":
    print(table.optimize.compact()["numFilesRemoved"])
elif action == "vacuum":
    print(len(table.vacuum(dry_run=False)))
elif action == "vacuum-all":
    print(len(table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)))
elif action == "restore":
    table.restore(int(rest[0]))
elif action == "delete":
    print(table.delete(rest[0])["num_deleted_rows"])
elif action == "property":
    table.alter.set_table_properties({rest[0]: rest[1]})
elif action == "clean":
    kept = {"delta.logRetentionDuration": "interval 0 seconds", "delta.enableExpiredLogCleanup": "true"}
    table.alter.set_table_properties(kept)
    table.create_checkpoint()
    table.cleanup_metadata()
elif action == "append":
    schema = pyarrow.schema(table.schema())
    rows = pyarrow.Table.from_pylist(json.loads(rest[0]), schema=schema)
    deltalake.write_deltalake(table, rows, mode="append")
else:
    sys.exit(f"no action {action}")
