"""Reads a file of OpenLineage events into the classes of OpenLineage's own client, which refuse fields that they do not have.

python read_openlineage.py FILE → JSON: the number of events
"""
import datetime
import json
import pathlib
import sys
import uuid

from openlineage.client import event_v2, facet_v2

FACETS = {
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "symlinks": facet_v2.symlinks_dataset.SymlinksDatasetFacet,
    "documentation": facet_v2.documentation_dataset.DocumentationDatasetFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "parent": facet_v2.parent_run.ParentRunFacet,
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "sql": facet_v2.sql_job.SQLJobFacet,
}
OWNERSHIP = {
    "job": facet_v2.ownership_job.OwnershipJobFacet,
    "dataset": facet_v2.ownership_dataset.OwnershipDatasetFacet,
}
DEEP = {
    "fields": (facet_v2.schema_dataset.SchemaDatasetFacetFields, "schema"),
    "identifiers": (facet_v2.symlinks_dataset.Identifier, "symlinks"),
    "assertions": (facet_v2.data_quality_assertions_dataset.Assertion, "dataQualityAssertions"),
}


def facets(found, kind):
    made = {}
    for name, facet in (found or {}).items():
        known = OWNERSHIP[kind] if name == "ownership" else FACETS[name]
        plain = {key: value for key, value in facet.items() if key not in ("_producer", "_schemaURL")}
        assert facet["_producer"].startswith("urn:kilde:") and facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
        made[name] = known(**plain)
        for key, (part, of) in DEEP.items():
            if of == name:
                [part(**item) for item in plain[key]]
        if name == "columnLineage":
            for field in plain["fields"].values():
                for origin in field["inputFields"]:
                    origin = dict(origin)
                    ways = origin.pop("transformations")
                    [facet_v2.column_lineage_dataset.Transformation(**way) for way in ways]
                    facet_v2.column_lineage_dataset.InputField(**origin)
    return made


count = 0
open_runs = {}
for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    event = json.loads(line)
    uuid.UUID(event["run"]["runId"])
    datetime.datetime.fromisoformat(event["eventTime"].replace("Z", "+00:00"))
    run = event_v2.Run(runId=event["run"]["runId"], facets=facets(event["run"]["facets"], "run"))
    job = event_v2.Job(
        namespace=event["job"]["namespace"], name=event["job"]["name"], facets=facets(event["job"]["facets"], "job")
    )
    inputs = [
        event_v2.InputDataset(
            namespace=dataset["namespace"],
            name=dataset["name"],
            facets=facets(dataset.get("facets"), "dataset"),
            inputFacets=facets(dataset.get("inputFacets"), "dataset"),
        )
        for dataset in event["inputs"]
    ]
    outputs = [
        event_v2.OutputDataset(
            namespace=dataset["namespace"],
            name=dataset["name"],
            facets=facets(dataset.get("facets"), "dataset"),
            outputFacets=facets(dataset.get("outputFacets"), "dataset"),
        )
        for dataset in event["outputs"]
    ]
    event_v2.RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=run,
        job=job,
        eventType=event_v2.RunState[event["eventType"]],
        inputs=inputs,
        outputs=outputs,
    )
    # one START, then one end
    if event["eventType"] == "START":
        assert run.runId not in open_runs, event
        open_runs[run.runId] = "open"
    else:
        assert open_runs[run.runId] == "open", event
        open_runs[run.runId] = "ended"
    count += 1
assert set(open_runs.values()) == {"ended"}
print(json.dumps({"events": count, "runs": len(open_runs)}))
