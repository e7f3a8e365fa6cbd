//! Pairs that alone hold a cluster together: without one, it falls in two.
//!
//! Bridges of the graph of edges within each cluster, by the lowest place that a depth-first walk can get back to (Tarjan
//! 1974). Two records joined by one pair are no news; three and more are.

use std::collections::BTreeMap;

/// A pair that alone joins two parts of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bridge {
    pub(crate) one: u32,
    pub(crate) other: u32,
    /// In bits.
    pub(crate) weight: f64,
    /// Records on the smaller side, and on the larger.
    pub(crate) parts: (u32, u32),
}

/// Bridges of every cluster of three records and more, the weakest first.
pub(crate) fn bridges(edges: &[(u32, u32, f64)], cluster_of: &[u32]) -> Vec<Bridge> {
    let mut of_cluster: BTreeMap<u32, Vec<(u32, u32, f64)>> = BTreeMap::new();
    for edge in edges {
        let cluster = cluster_of[edge.0 as usize];
        if cluster == cluster_of[edge.1 as usize] {
            of_cluster.entry(cluster).or_default().push(*edge);
        }
    }
    let mut found: Vec<Bridge> = of_cluster.values().flat_map(|e| of_one(e)).collect();
    found.sort_by(|a, b| {
        let weights = a.weight.total_cmp(&b.weight);
        weights.then((a.one, a.other).cmp(&(b.one, b.other)))
    });
    found
}

/// One walk over the edges of a cluster: places in the order in which they are met.
fn of_one(edges: &[(u32, u32, f64)]) -> Vec<Bridge> {
    let mut neighbours: BTreeMap<u32, Vec<(u32, usize)>> = BTreeMap::new();
    for (at, (one, other, _)) in edges.iter().enumerate() {
        neighbours.entry(*one).or_default().push((*other, at));
        neighbours.entry(*other).or_default().push((*one, at));
    }
    let all = neighbours.len() as u32;
    let mut found = Vec::new();
    if all < 3 {
        return found;
    }
    /// Place of a record, the lowest that it leads back to, records below it.
    struct Met {
        place: u32,
        lowest: u32,
        below: u32,
    }
    /// A record on the way, the edge that led to it, neighbours looked at.
    struct Step {
        record: u32,
        through: Option<usize>,
        next: usize,
    }
    let mut met: BTreeMap<u32, Met> = BTreeMap::new();
    for start in neighbours.keys() {
        if met.contains_key(start) {
            continue;
        }
        let mut way = vec![Step {
            record: *start,
            through: None,
            next: 0,
        }];
        let mut walked = Vec::new();
        while let Some(step) = way.last_mut() {
            let (record, through, at) = (step.record, step.through, step.next);
            step.next += 1;
            if at == 0 {
                let place = met.len() as u32;
                met.insert(
                    record,
                    Met {
                        place,
                        lowest: place,
                        below: 1,
                    },
                );
            }
            match neighbours[&record].get(at) {
                Some((_, edge)) if Some(*edge) == through => {}
                Some((other, edge)) => match met.get(other).map(|met| met.place) {
                    Some(place) => {
                        if let Some(met) = met.get_mut(&record) {
                            met.lowest = met.lowest.min(place);
                        }
                    }
                    None => way.push(Step {
                        record: *other,
                        through: Some(*edge),
                        next: 0,
                    }),
                },
                None => {
                    way.pop();
                    let (lowest, below, place) = match met.get(&record) {
                        Some(met) => (met.lowest, met.below, met.place),
                        None => continue,
                    };
                    if let Some(before) = way.last()
                        && let Some(met) = met.get_mut(&before.record)
                    {
                        met.lowest = met.lowest.min(lowest);
                        met.below += below;
                    }
                    if let Some(edge) = through.filter(|_| lowest == place) {
                        walked.push((edge, below));
                    }
                }
            }
        }
        let whole = met[start].below;
        found.extend(walked.into_iter().map(|(edge, below)| {
            let (one, other, weight) = edges[edge];
            let parts = (below.min(whole - below), below.max(whole - below));
            Bridge {
                one,
                other,
                weight,
                parts,
            }
        }));
    }
    found.retain(|bridge| bridge.parts.0 + bridge.parts.1 > 2);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_what_alone_joins_two_parts_and_a_ring_has_none() {
        // 0-1-2 a ring, 2-3 a bridge, 3-4-5 a ring; 6-7 a pair; 8-9-10 a chain
        let edges = [
            (0, 1, 9.0),
            (1, 2, 9.0),
            (0, 2, 9.0),
            (2, 3, 1.5),
            (3, 4, 8.0),
            (4, 5, 8.0),
            (3, 5, 8.0),
            (6, 7, 1.1),
            (8, 9, 4.0),
            (9, 10, 2.0),
            // of two clusters: no part of any
            (0, 6, 0.0),
        ];
        let cluster_of = [0, 0, 0, 0, 0, 0, 6, 6, 8, 8, 8];
        let found = bridges(&edges, &cluster_of);
        let told: Vec<(u32, u32, f64, (u32, u32))> = found
            .iter()
            .map(|b| (b.one, b.other, b.weight, b.parts))
            .collect();
        let expected = [
            (2, 3, 1.5, (3, 3)),
            (9, 10, 2.0, (1, 2)),
            (8, 9, 4.0, (1, 2)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_long_chain_is_walked_without_a_deep_stack() {
        let edges: Vec<(u32, u32, f64)> = (0..50_000).map(|at| (at, at + 1, 1.0)).collect();
        let found = bridges(&edges, &vec![0; 50_001]);
        assert_eq!(found.len(), 50_000);
        assert_eq!(found[0].parts, (1, 50_000));
    }
}
