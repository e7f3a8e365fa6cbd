//! Which table is made of which: a graph without cycles, in an order that depends on nothing but names.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::TableName;

/// Tables and their inputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    inputs: BTreeMap<TableName, Vec<TableName>>,
    readers: BTreeMap<TableName, Vec<TableName>>,
    levels: Vec<Vec<TableName>>,
}

impl Graph {
    /// Orders tables by their inputs; inputs that are no table of the map are left out.
    ///
    /// # Errors
    /// The tables of one cycle each, in the order in which they read each other; the first reads the second.
    pub(crate) fn new(
        inputs: BTreeMap<TableName, Vec<TableName>>,
    ) -> Result<Self, Vec<Vec<TableName>>> {
        let mut readers: BTreeMap<TableName, Vec<TableName>> = BTreeMap::new();
        let mut waiting: BTreeMap<&TableName, usize> = BTreeMap::new();
        for (table, reads) in &inputs {
            let known = reads.iter().filter(|input| inputs.contains_key(input));
            let mut count = 0;
            for input in known {
                readers
                    .entry(input.clone())
                    .or_default()
                    .push(table.clone());
                count += 1;
            }
            waiting.insert(table, count);
        }
        let mut levels = Vec::new();
        loop {
            let ready: Vec<TableName> = waiting
                .iter()
                .filter(|(_, count)| **count == 0)
                .map(|(table, _)| (*table).clone())
                .collect();
            if ready.is_empty() {
                break;
            }
            for table in &ready {
                waiting.remove(table);
                for reader in readers.get(table).into_iter().flatten() {
                    if let Some(count) = waiting.get_mut(reader) {
                        *count -= 1;
                    }
                }
            }
            levels.push(ready);
        }
        if !waiting.is_empty() {
            let rest = waiting.keys().map(|table| (*table).clone()).collect();
            return Err(cycles(&inputs, rest));
        }
        Ok(Self {
            inputs,
            readers,
            levels,
        })
    }

    /// Tables in groups: each reads only tables of groups before its own. Names sorted within.
    pub(crate) fn levels(&self) -> &[Vec<TableName>] {
        &self.levels
    }

    /// Inputs before readers.
    pub(crate) fn order(&self) -> impl Iterator<Item = &TableName> {
        self.levels.iter().flatten()
    }

    /// What a table reads.
    pub(crate) fn inputs(&self, table: &TableName) -> &[TableName] {
        self.inputs.get(table).map_or(&[], Vec::as_slice)
    }

    /// What reads a table, sorted.
    pub(crate) fn readers(&self, table: &TableName) -> &[TableName] {
        self.readers.get(table).map_or(&[], Vec::as_slice)
    }

    /// What a table is made of, up to `depth` edges away; without itself.
    pub(crate) fn ancestors(&self, table: &TableName, depth: Option<usize>) -> BTreeSet<TableName> {
        reach(table, depth, |t| self.inputs(t))
    }

    /// What is made of a table, likewise.
    pub(crate) fn descendants(
        &self,
        table: &TableName,
        depth: Option<usize>,
    ) -> BTreeSet<TableName> {
        reach(table, depth, |t| self.readers(t))
    }
}

fn reach<'a>(
    from: &TableName,
    depth: Option<usize>,
    next: impl Fn(&TableName) -> &'a [TableName],
) -> BTreeSet<TableName> {
    let mut seen = BTreeSet::new();
    let mut edge = vec![from.clone()];
    let mut distance = 0;
    while !edge.is_empty() && depth.is_none_or(|depth| distance < depth) {
        let mut further = Vec::new();
        for table in &edge {
            for neighbour in next(table) {
                if seen.insert(neighbour.clone()) {
                    further.push(neighbour.clone());
                }
            }
        }
        edge = further;
        distance += 1;
    }
    seen
}

/// One cycle of each knot among the tables that wait for each other; it starts with its smallest name.
fn cycles(
    inputs: &BTreeMap<TableName, Vec<TableName>>,
    mut rest: BTreeSet<TableName>,
) -> Vec<Vec<TableName>> {
    let mut found: Vec<Vec<TableName>> = Vec::new();
    while let Some(start) = rest.first().cloned() {
        let mut path = vec![start];
        loop {
            let last = path[path.len() - 1].clone();
            let reads = inputs.get(&last).into_iter().flatten();
            let Some(next) = reads.filter(|input| rest.contains(input)).min().cloned() else {
                // behind a cycle, not in one
                rest.remove(&last);
                break;
            };
            if let Some(position) = path.iter().position(|table| *table == next) {
                let mut cycle = path.split_off(position);
                for table in cycle.iter().chain(&path) {
                    rest.remove(table);
                }
                let smallest = (0..cycle.len()).min_by_key(|i| &cycle[*i]).unwrap_or(0);
                cycle.rotate_left(smallest);
                found.push(cycle);
                break;
            }
            path.push(next);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Result<Graph, Vec<Vec<TableName>>> {
        let inputs = edges.iter().map(|(table, reads)| {
            let reads = reads.iter().map(|t| t.parse().unwrap()).collect();
            (table.parse().unwrap(), reads)
        });
        Graph::new(inputs.collect())
    }

    fn names<'a>(tables: impl IntoIterator<Item = &'a TableName>) -> String {
        let names: Vec<String> = tables.into_iter().map(ToString::to_string).collect();
        names.join(" ")
    }

    #[test]
    fn inputs_come_before_readers_and_equal_ranks_by_name() {
        let graph = graph(&[
            ("gold.b", &["silver.y", "silver.x"]),
            ("gold.a", &["silver.x"]),
            ("silver.x", &["bronze.s"]),
            ("silver.y", &["silver.x"]),
            ("bronze.s", &[]),
        ])
        .unwrap();
        assert_eq!(
            names(graph.order()),
            "bronze.s silver.x gold.a silver.y gold.b"
        );
        assert_eq!(
            names(graph.readers(&"silver.x".parse().unwrap())),
            "gold.a gold.b silver.y"
        );
        let b = "gold.b".parse().unwrap();
        assert_eq!(names(&graph.ancestors(&b, Some(1))), "silver.x silver.y");
        assert_eq!(
            names(&graph.ancestors(&b, None)),
            "bronze.s silver.x silver.y"
        );
        let s = "bronze.s".parse().unwrap();
        assert_eq!(names(&graph.descendants(&s, Some(1))), "silver.x");
    }

    #[test]
    fn each_cycle_is_named_once_and_what_stands_on_it_is_not() {
        let cycles = graph(&[
            ("a.c", &["a.b"]),
            ("a.b", &["a.a"]),
            ("a.a", &["a.c"]),
            ("a.d", &["a.a"]),
            ("b.self", &["b.self"]),
            ("c.fine", &[]),
        ])
        .unwrap_err();
        let text: Vec<String> = cycles.iter().map(names).collect();
        assert_eq!(text, ["a.a a.c a.b", "b.self"]);
    }
}
