"""Reads manifest.json and run_results.json with dbt-artifacts-parser, whose models refuse fields that dbt has not.

python read_dbt.py FOLDER [run_results]  → JSON: what a consumer of dbt's artifacts makes of them
"""
import json
import pathlib
import sys

from dbt_artifacts_parser.parser import parse_manifest_v12, parse_run_results_v6

folder = pathlib.Path(sys.argv[1])
manifest = parse_manifest_v12(json.loads((folder / "manifest.json").read_text()))
seen = {
    "project": manifest.metadata.project_name,
    "nodes": {id: node.resource_type for id, node in manifest.nodes.items()},
    "sources": sorted(manifest.sources),
    "exposures": {id: exposure.depends_on.nodes for id, exposure in manifest.exposures.items()},
    "unit_tests": sorted(manifest.unit_tests),
    "children": manifest.child_map,
}
known = set(manifest.nodes) | set(manifest.sources) | set(manifest.unit_tests) | set(manifest.exposures)
for id, parents in manifest.parent_map.items():
    assert id in known, id
    assert set(parents) <= known, (id, parents)
if len(sys.argv) > 2:
    results = parse_run_results_v6(json.loads((folder / "run_results.json").read_text()))
    seen["results"] = {}
    for result in results.results:
        assert result.unique_id in known, result.unique_id
        seen["results"][result.unique_id] = result.status.value
    assert results.metadata.invocation_id == manifest.metadata.invocation_id
print(json.dumps(seen))
