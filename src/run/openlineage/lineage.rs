//! Column lineage as OpenLineage writes it: each column's input columns, and what decides about rows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::dataset::Datasets;
use crate::engine::{How, Origin, Origins};
use crate::name::TableName;
use crate::plan::{Kind, Lineage};

type Parts = BTreeMap<Origin, BTreeSet<How>>;

/// The fields of the facet `columnLineage` of a table; `None` where nothing is known.
pub(super) fn column_lineage(
    lineage: &Lineage,
    datasets: &Datasets,
    table: &TableName,
) -> Option<Map<String, Value>> {
    let known = lineage.table(table).ok()?;
    let mut rows = Parts::new();
    let mut beyond = Parts::new();
    resolve(lineage, &known.rows, &mut rows, &mut beyond);
    rows.extend(beyond);
    let mut fields = Map::new();
    for column in &known.columns {
        let mut parts = Parts::new();
        let mut more_rows = Parts::new();
        resolve(lineage, &column.made_of.origins, &mut parts, &mut more_rows);
        for (origin, hows) in more_rows {
            rows.entry(origin).or_default().extend(hows);
        }
        let inputs = inputs(datasets, &parts);
        if !inputs.is_empty() {
            fields.insert(column.name.clone(), json!({"inputFields": inputs}));
        }
    }
    if fields.is_empty() {
        return None;
    }
    let mut facet = Map::new();
    facet.insert("fields".to_string(), Value::Object(fields));
    let rows = inputs(datasets, &rows);
    if !rows.is_empty() {
        facet.insert("dataset".to_string(), json!(rows));
    }
    Some(facet)
}

/// Ephemeral steps are no dataset: what they are made of takes their place.
fn resolve(lineage: &Lineage, origins: &Origins, parts: &mut Parts, rows: &mut Parts) {
    for (origin, hows) in origins.iter() {
        let table = lineage.table(&origin.table).ok();
        let Some(ephemeral) = table.filter(|table| table.kind == Kind::Ephemeral) else {
            parts.entry(origin.clone()).or_default().extend(hows);
            continue;
        };
        let (mut below, mut rows_below) = (Parts::new(), Parts::new());
        if !origin.path.is_empty() {
            resolve(
                lineage,
                &lineage.made_of(origin),
                &mut below,
                &mut rows_below,
            );
        }
        resolve(lineage, &ephemeral.rows, &mut rows_below, &mut Parts::new());
        for (deeper, ways) in below {
            parts
                .entry(deeper)
                .or_default()
                .extend(through(hows, &ways));
        }
        for (deeper, ways) in rows_below {
            rows.entry(deeper).or_default().extend(ways);
        }
    }
}

/// Two edges as one: it loses what either of them loses, and decides where either of them only decides.
fn through(near: &BTreeSet<How>, far: &BTreeSet<How>) -> BTreeSet<How> {
    let pairs = near
        .iter()
        .flat_map(|near| far.iter().map(move |far| (*near, *far)));
    pairs
        .map(|(near, far)| match (near.is_value(), far.is_value()) {
            (true, true) => near.max(far),
            (false, _) => near,
            (true, false) => far,
        })
        .collect()
}

fn inputs(datasets: &Datasets, parts: &Parts) -> Vec<Value> {
    let of_columns = parts.iter().filter(|(origin, _)| !origin.path.is_empty());
    of_columns
        .map(|(origin, hows)| {
            let (namespace, name) = datasets.table(&origin.table);
            let ways: Vec<Value> = hows.iter().map(|how| transformation(*how)).collect();
            json!({
                "namespace": namespace,
                "name": name,
                "field": origin.path.join("."),
                "transformations": ways,
            })
        })
        .collect()
}

fn transformation(how: How) -> Value {
    let (kind, subtype) = match how {
        How::Copied => ("DIRECT", "IDENTITY"),
        How::Computed => ("DIRECT", "TRANSFORMATION"),
        How::Aggregated | How::Counted => ("DIRECT", "AGGREGATION"),
        How::Filters => ("INDIRECT", "FILTER"),
        How::Joins => ("INDIRECT", "JOIN"),
        How::Groups => ("INDIRECT", "GROUP_BY"),
        How::Orders => ("INDIRECT", "SORT"),
    };
    // only how many there are is left
    let masking = how == How::Counted;
    json!({"type": kind, "subtype": subtype, "description": how.name(), "masking": masking})
}
