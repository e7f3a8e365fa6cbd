//! `manifest.json`: what there is, and who reads what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::node::{Names, TestNode, sha256};
use super::{Invocation, moment};
use crate::column_type::ColumnType;
use crate::name::TableName;
use crate::plan::{Kind, Shape, Shapes};
use crate::project::{
    Contract, Exposure, Owner, Period, Pipeline, Project, Read, Source, TestKind,
};

/// The manifest of a project.
pub(super) fn manifest(
    project: &Project,
    shapes: &Shapes,
    names: &Names<'_>,
    invocation: &Invocation,
) -> Value {
    let made_at = invocation.ended_at.timestamp_micros() as f64 / 1e6;
    let describer = Describer {
        project,
        names,
        made_at,
    };
    let (mut nodes, mut sources) = (Map::new(), Map::new());
    for (table, shape) in shapes {
        let id = names.table(table);
        match project.sources.get(table) {
            Some(source) => sources.insert(id, describer.source(source, shape)),
            None => nodes.insert(id, describer.node(table, shape)),
        };
    }
    for test in names.tests() {
        nodes.insert(test.id.clone(), describer.test(test));
    }
    let exposures: Map<String, Value> = project
        .exposures
        .iter()
        .map(|exposure| {
            let id = names.exposure(&exposure.word());
            (id, describer.exposure(exposure))
        })
        .collect();
    let unit_tests: Map<String, Value> = project
        .contracts
        .values()
        .flat_map(|contract| describer.unit_tests(contract))
        .collect();
    let groups: Map<String, Value> = project
        .pipelines
        .iter()
        .map(|pipeline| (names.group(&pipeline.name), describer.group(pipeline)))
        .collect();
    let everything = [&nodes, &exposures, &unit_tests];
    let (parents, children) = maps(&everything, sources.keys());
    let mut metadata = invocation.metadata("manifest/v12");
    if let Some(fields) = metadata.as_object_mut() {
        fields.insert("project_name".to_string(), json!(project.name));
        fields.insert("project_id".to_string(), json!(sha256(&project.name)[..32]));
        fields.insert("user_id".to_string(), Value::Null);
        fields.insert("send_anonymous_usage_stats".to_string(), json!(false));
        fields.insert("adapter_type".to_string(), json!("kilde"));
        fields.insert(
            "run_started_at".to_string(),
            json!(moment(invocation.started_at)),
        );
    }
    json!({
        "metadata": metadata,
        "group_map": group_map(&nodes),
        "nodes": nodes,
        "sources": sources,
        "macros": {},
        "docs": {},
        "exposures": exposures,
        "metrics": {},
        "groups": groups,
        "selectors": {},
        "disabled": {},
        "parent_map": parents,
        "child_map": children,
        "saved_queries": {},
        "semantic_models": {},
        "unit_tests": unit_tests,
    })
}

struct Describer<'a> {
    project: &'a Project,
    names: &'a Names<'a>,
    /// Seconds since 1970.
    made_at: f64,
}

/// Where something is declared.
struct Declared<'a> {
    id: String,
    name: &'a str,
    resource_type: &'a str,
    /// From the project's root.
    file: &'a str,
    /// Within its folder, as dbt counts.
    path: &'a str,
    fqn: Vec<&'a str>,
}

impl Describer<'_> {
    /// What every resource begins with.
    fn head(&self, declared: Declared<'_>) -> Map<String, Value> {
        let mut fqn = vec![self.project.name.as_str()];
        fqn.extend(declared.fqn);
        fields(json!({
            "unique_id": declared.id,
            "name": declared.name,
            "resource_type": declared.resource_type,
            "package_name": self.project.name,
            "path": declared.path,
            "original_file_path": declared.file,
            "fqn": fqn,
            "created_at": self.made_at,
        }))
    }

    /// A step, a seed, or a table of a match.
    fn node(&self, table: &TableName, shape: &Shape) -> Value {
        let contract = self.project.contracts.get(table);
        let (file, text, root) = self.made_by(table);
        let path = file.strip_prefix(root).unwrap_or(file);
        let is_seed = shape.kind == Kind::Seed;
        let name = table.to_string();
        let mut node = self.head(Declared {
            id: self.names.table(table),
            name: &name,
            resource_type: if is_seed { "seed" } else { "model" },
            file,
            path,
            fqn: vec![table.schema(), table.name()],
        });
        let materialized = match shape.kind {
            Kind::Ephemeral => "ephemeral",
            Kind::Seed => "seed",
            _ => "table",
        };
        let meta = self.meta(table, contract);
        let tags = self.project.tags(table);
        let group = self
            .project
            .pipeline_of(table)
            .map(|pipeline| &pipeline.name);
        let is_contract_whole = contract.is_some_and(|contract| !contract.columns.is_empty());
        node.extend(fields(json!({
            "database": null,
            "schema": table.schema(),
            "alias": table.name(),
            "relation_name": relation(table),
            "checksum": {"name": "sha256", "checksum": sha256(text)},
            "description": contract.and_then(|contract| contract.description.clone()).unwrap_or_default(),
            "columns": columns(shape, contract),
            "meta": meta,
            "tags": tags,
            "group": group,
            "patch_path": contract.map(|contract| format!("{}://{}", self.project.name, contract.file.path)),
            "docs": {"show": true, "node_color": null},
            "config": {
                "enabled": true,
                "materialized": materialized,
                "schema": table.schema(),
                "alias": table.name(),
                "tags": tags,
                "meta": meta,
                "group": group,
                "contract": {"enforced": is_contract_whole, "alias_types": true},
            },
            "unrendered_config": {},
            "raw_code": if is_seed { "" } else { text },
        })));
        if is_seed {
            node.insert("root_path".to_string(), Value::Null);
            node.insert("depends_on".to_string(), json!({"macros": []}));
            return Value::Object(node);
        }
        node.extend(self.reads(&shape.inputs));
        let is_sql = matches!(shape.kind, Kind::Table | Kind::Ephemeral);
        node.extend(fields(json!({
            "language": "sql",
            "metrics": [],
            "compiled": is_sql,
            "compiled_code": is_sql.then_some(text),
            "compiled_path": null,
            "extra_ctes_injected": true,
            "extra_ctes": [],
            "contract": {"enforced": is_contract_whole, "alias_types": true, "checksum": null},
            "access": if self.project.is_read_outside(table) { "public" } else { "protected" },
            "constraints": [],
            "primary_key": contract.map(Contract::key_names).unwrap_or_default(),
        })));
        Value::Object(node)
    }

    /// File, its text, and the folder of its kind.
    fn made_by(&self, table: &TableName) -> (&str, &str, &'static str) {
        if let Some(step) = self.project.steps.get(table) {
            return (&step.file.path, &step.file.text, "sql/");
        }
        if let Some(seed) = self.project.seeds.get(table) {
            return (&seed.file.path, &seed.file.text, "seeds/");
        }
        match self.project.match_of(table) {
            Some((matching, _)) => {
                let place = &matching.declared_at;
                let span = place.file.text.get(place.span.start..place.span.end);
                (&place.file.path, span.unwrap_or_default(), "pipelines/")
            }
            None => ("", "", ""),
        }
    }

    fn reads(&self, inputs: &[TableName]) -> Map<String, Value> {
        let inputs: BTreeSet<&TableName> = inputs.iter().collect();
        let (sources, refs): (Vec<&TableName>, Vec<&TableName>) =
            inputs.iter().partition(|table| self.names.is_source(table));
        let ids: Vec<String> = inputs.iter().map(|table| self.names.table(table)).collect();
        let refs: Vec<Value> = refs
            .iter()
            .map(|table| json!({"name": table, "package": null, "version": null}))
            .collect();
        let sources: Vec<Value> = sources
            .iter()
            .map(|table| json!([table.schema(), table.name()]))
            .collect();
        fields(json!({
            "refs": refs,
            "sources": sources,
            "depends_on": {"macros": [], "nodes": ids},
        }))
    }

    fn source(&self, source: &Source, shape: &Shape) -> Value {
        let table = &source.table;
        let contract = self.project.contracts.get(table);
        let mut node = self.head(Declared {
            id: self.names.table(table),
            name: table.name(),
            resource_type: "source",
            file: &source.file.path,
            path: &source.file.path,
            fqn: vec![table.schema(), table.name()],
        });
        let meta = self.meta(table, contract);
        let tags = self.project.tags(table);
        let freshness = json!({
            "warn_after": source.freshness.warn_after.as_ref().and_then(age),
            "error_after": source.freshness.error_after.as_ref().and_then(age),
            "filter": null,
        });
        let files: Vec<&str> = source.patterns.iter().map(|p| p.text.as_str()).collect();
        let pipeline = self.project.pipeline_of(table);
        node.extend(fields(json!({
            "database": null,
            "schema": table.schema(),
            "source_name": table.schema(),
            "source_description": pipeline.and_then(|pipeline| pipeline.description.clone()).unwrap_or_default(),
            "loader": "kilde",
            "identifier": table.name(),
            "relation_name": relation(table),
            "quoting": {"database": null, "schema": null, "identifier": null, "column": null},
            "loaded_at_field": null,
            "freshness": freshness,
            "external": {"location": files.join(" "), "file_format": format_of(&source.read)},
            "description": contract.and_then(|contract| contract.description.clone()).unwrap_or_default(),
            "columns": columns(shape, contract),
            "meta": meta,
            "source_meta": {},
            "tags": tags,
            "config": {"enabled": true, "freshness": freshness, "meta": meta, "tags": tags},
            "patch_path": contract.map(|contract| format!("{}://{}", self.project.name, contract.file.path)),
            "unrendered_config": {},
        })));
        Value::Object(node)
    }

    fn test(&self, test: &TestNode<'_>) -> Value {
        let contract = test.contract;
        let table = &contract.table;
        let mut node = self.head(Declared {
            id: test.id.clone(),
            name: &test.name,
            resource_type: "test",
            file: &contract.file.path,
            path: contract
                .file
                .path
                .strip_prefix("schemas/")
                .unwrap_or(&contract.file.path),
            fqn: vec![table.schema(), table.name(), &test.name],
        });
        let sql = test.planned.rows_sql(table);
        let (column, metadata, also) = self.promise(test);
        let mut reads = vec![table.clone()];
        reads.extend(also);
        let severity = test.planned.severity.name().to_ascii_uppercase();
        let limit = match &test.planned.at_most {
            Some(limit) => format!("> {limit}"),
            None => "!= 0".to_string(),
        };
        let tags = self.project.tags(table);
        let is_of_node = !self.names.is_source(table);
        node.extend(self.reads(&reads));
        node.extend(fields(json!({
            "database": null,
            "schema": table.schema(),
            "alias": test.name,
            "relation_name": null,
            "checksum": {"name": "none", "checksum": ""},
            "description": "",
            "columns": {},
            "meta": {"kilde_test": test.planned.name, "declared_at": test.planned.declared_at.location()},
            "tags": tags,
            "group": null,
            "patch_path": null,
            "docs": {"show": true, "node_color": null},
            "config": {
                "enabled": true,
                "materialized": "test",
                "severity": severity,
                "store_failures": null,
                "where": test.declared.and_then(|test| test.condition.clone()),
                "fail_calc": "count(*)",
                "warn_if": limit,
                "error_if": limit,
                "tags": tags,
                "meta": {},
            },
            "unrendered_config": {},
            "raw_code": sql,
            "language": "sql",
            "metrics": [],
            "compiled": true,
            "compiled_code": sql,
            "compiled_path": null,
            "extra_ctes_injected": true,
            "extra_ctes": [],
            "contract": {"enforced": false, "alias_types": true, "checksum": null},
            "column_name": column,
            "file_key_name": is_of_node.then(|| format!("models.{table}")),
            "attached_node": is_of_node.then(|| self.names.table(table)),
        })));
        if let Some(metadata) = metadata {
            node.insert("test_metadata".to_string(), metadata);
        }
        Value::Object(node)
    }

    /// The column that a test is about, the test as dbt and its packages call it, and what else it reads. A test that is SQL
    /// has no name there.
    fn promise(&self, test: &TestNode<'_>) -> (Option<String>, Option<Value>, Vec<TableName>) {
        let named = |namespace: Option<&str>, name: &str, kwargs: Value| {
            Some(json!({"name": name, "kwargs": kwargs, "namespace": namespace}))
        };
        match test.planned.kind.clone() {
            TestKind::NotNull { column } => {
                let metadata = named(None, "not_null", json!({"column_name": column}));
                (Some(column), metadata, Vec::new())
            }
            TestKind::Unique { columns } => match columns.as_slice() {
                [column] => {
                    let metadata = named(None, "unique", json!({"column_name": column}));
                    (Some(column.clone()), metadata, Vec::new())
                }
                _ => {
                    let kwargs = json!({"combination_of_columns": columns});
                    let name = "unique_combination_of_columns";
                    (None, named(Some("dbt_utils"), name, kwargs), Vec::new())
                }
            },
            TestKind::AcceptedValues { column, values } => {
                let kwargs = json!({"column_name": column, "values": values});
                (
                    Some(column),
                    named(None, "accepted_values", kwargs),
                    Vec::new(),
                )
            }
            TestKind::Matches { column, pattern } => {
                let kwargs = json!({"column_name": column, "regex": pattern});
                let name = "expect_column_values_to_match_regex";
                (
                    Some(column),
                    named(Some("dbt_expectations"), name, kwargs),
                    Vec::new(),
                )
            }
            TestKind::Range { column, min, max } => {
                let kwargs = json!({"column_name": column, "min_value": min, "max_value": max});
                (
                    Some(column),
                    named(Some("dbt_utils"), "accepted_range", kwargs),
                    Vec::new(),
                )
            }
            TestKind::Relationships {
                columns,
                to,
                fields,
            } => {
                let kwargs = json!({
                    "column_name": columns.first(),
                    "to": self.called(&to),
                    "field": fields.first(),
                });
                let column = (columns.len() == 1)
                    .then(|| columns.into_iter().next())
                    .flatten();
                (column, named(None, "relationships", kwargs), vec![to])
            }
            TestKind::RowCount { min, max, .. } => {
                let kwargs = json!({"min_value": min, "max_value": max});
                let name = "expect_table_row_count_to_be_between";
                (
                    None,
                    named(Some("dbt_expectations"), name, kwargs),
                    Vec::new(),
                )
            }
            TestKind::Keeps { columns, keys_of } => {
                let kwargs = json!({"columns": columns, "keys_of": self.called(&keys_of)});
                (None, named(Some("kilde"), "keeps", kwargs), vec![keys_of])
            }
            TestKind::Sql { .. } => (None, None, Vec::new()),
        }
    }

    /// As dbt's files would name it.
    fn called(&self, table: &TableName) -> String {
        match self.names.is_source(table) {
            true => format!("source('{}', '{}')", table.schema(), table.name()),
            false => format!("ref('{table}')"),
        }
    }

    fn unit_tests<'c>(
        &'c self,
        contract: &'c Contract,
    ) -> impl Iterator<Item = (String, Value)> + 'c {
        let table = &contract.table;
        contract.unit_tests.iter().map(move |test| {
            let id = self.names.unit_test(table, &test.name.value);
            let mut node = self.head(Declared {
                id: id.clone(),
                name: &test.name.value,
                resource_type: "unit_test",
                file: &contract.file.path,
                path: contract.file.path.strip_prefix("schemas/").unwrap_or(&contract.file.path),
                fqn: vec![table.schema(), table.name(), &test.name.value],
            });
            // the rows stay in the project's file
            let given: Vec<Value> = test
                .given
                .iter()
                .map(|(table, _)| {
                    json!({"input": self.called(&table.value), "rows": null, "format": "dict", "fixture": null})
                })
                .collect();
            node.extend(fields(json!({
                "model": table,
                "given": given,
                "expect": {"rows": null, "format": "dict", "fixture": null},
                "description": "",
                "overrides": null,
                "depends_on": {"macros": [], "nodes": [self.names.table(table)]},
                "config": {"enabled": true, "tags": self.project.tags(table), "meta": {}},
                "checksum": null,
                "schema": table.schema(),
                "versions": null,
                "version": null,
            })));
            (id, Value::Object(node))
        })
    }

    fn exposure(&self, exposure: &Exposure) -> Value {
        let word = exposure.word();
        let file = &exposure.declared_at.file.path;
        let mut node = self.head(Declared {
            id: self.names.exposure(&word),
            name: &word,
            resource_type: "exposure",
            file,
            path: file,
            fqn: vec![&word],
        });
        node.extend(self.reads(&exposure.reads));
        node.extend(fields(json!({
            "type": "dashboard",
            "label": exposure.name,
            "owner": owner(exposure.owner.as_ref()),
            "description": "",
            "maturity": null,
            "url": exposure.url,
            "meta": {},
            "tags": [],
            "metrics": [],
            "config": {"enabled": true, "tags": [], "meta": {}},
            "unrendered_config": {},
        })));
        Value::Object(node)
    }

    fn group(&self, pipeline: &Pipeline) -> Value {
        let file = format!("pipelines/{}.yaml", pipeline.name);
        json!({
            "unique_id": self.names.group(&pipeline.name),
            "name": pipeline.name,
            "resource_type": "group",
            "package_name": self.project.name,
            "path": file,
            "original_file_path": file,
            "owner": owner(pipeline.owner.as_ref()),
            "description": pipeline.description,
        })
    }

    /// What kilde knows of a table and dbt has no word for; of the owner both know.
    fn meta(&self, table: &TableName, contract: Option<&Contract>) -> Value {
        let of_contract = contract.and_then(|contract| contract.owner.as_ref());
        let of_pipeline = self
            .project
            .pipeline_of(table)
            .and_then(|p| p.owner.as_ref());
        let mut meta = Map::new();
        if let Some(owner) = of_contract.or(of_pipeline) {
            meta.insert(
                "owner".to_string(),
                json!(owner.email.as_ref().unwrap_or(&owner.name)),
            );
        }
        if let Some(contract) = contract {
            let purposes: Vec<&str> = contract.purpose.iter().map(|p| p.value.as_str()).collect();
            for (name, value) in [
                ("grain", json!(contract.grain)),
                ("key", json!(contract.key_names())),
                ("purpose", json!(purposes)),
            ] {
                if !matches!(&value, Value::Null) && value != json!([]) {
                    meta.insert(name.to_string(), value);
                }
            }
        }
        Value::Object(meta)
    }
}

/// Each column in published order, with the words of its contract.
fn columns(shape: &Shape, contract: Option<&Contract>) -> Map<String, Value> {
    let fields = shape.schema.fields().iter();
    fields
        .map(|field| {
            let declared = contract.and_then(|contract| contract.column(field.name()));
            let data_type = declared
                .map(|column| column.data_type.clone())
                .or_else(|| ColumnType::of_arrow(field.data_type()));
            let mut meta = Map::new();
            if let Some(meaning) = declared.and_then(|column| column.personal) {
                meta.insert("personal".to_string(), json!(meaning.name()));
            }
            let column = json!({
                "name": field.name(),
                "description": declared.and_then(|column| column.description.clone()).unwrap_or_default(),
                "data_type": data_type.map(|data_type| data_type.to_string()),
                "meta": meta,
                "constraints": [],
                "quote": null,
                "tags": [],
            });
            (field.name().clone(), column)
        })
        .collect()
}

fn owner(owner: Option<&Owner>) -> Value {
    json!({
        "name": owner.map(|owner| &owner.name),
        "email": owner.and_then(|owner| owner.email.as_ref()),
    })
}

fn relation(table: &TableName) -> String {
    format!("\"{}\".\"{}\"", table.schema(), table.name())
}

/// dbt counts in minutes, hours and days; months have no length in them.
fn age(period: &Period) -> Option<Value> {
    let seconds = period.seconds()?;
    let (count, unit) = match seconds {
        days if days % 86_400 == 0 => (days / 86_400, "day"),
        hours if hours % 3_600 == 0 => (hours / 3_600, "hour"),
        minutes => (minutes.div_ceil(60), "minute"),
    };
    Some(json!({"count": count, "period": unit}))
}

fn format_of(read: &Read) -> &'static str {
    match read {
        Read::Csv(_) => "csv",
        Read::Fixed(_) => "fixed",
        Read::Ndjson(_) => "ndjson",
        Read::Json(_) => "json",
        Read::Avro(_) => "avro",
        Read::Parquet(_) => "parquet",
        Read::Delta(_) => "delta",
        Read::Xlsx(_) => "xlsx",
    }
}

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Who reads what, both ways; every id has its list.
fn maps<'a>(
    resources: &[&'a Map<String, Value>],
    sources: impl Iterator<Item = &'a String>,
) -> (Edges, Edges) {
    let (mut parents, mut children) = (Edges::new(), Edges::new());
    for id in sources.chain(resources.iter().flat_map(|map| map.keys())) {
        parents.entry(id.clone()).or_default();
        children.entry(id.clone()).or_default();
    }
    for (id, node) in resources.iter().flat_map(|map| map.iter()) {
        let read = node["depends_on"]["nodes"].as_array();
        for parent in read.into_iter().flatten().filter_map(Value::as_str) {
            parents
                .entry(id.clone())
                .or_default()
                .insert(parent.to_string());
            children
                .entry(parent.to_string())
                .or_default()
                .insert(id.clone());
        }
    }
    (parents, children)
}

fn group_map(nodes: &Map<String, Value>) -> Edges {
    let mut groups = Edges::new();
    for (id, node) in nodes {
        if let Some(group) = node["group"].as_str() {
            groups
                .entry(group.to_string())
                .or_default()
                .insert(id.clone());
        }
    }
    groups
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
