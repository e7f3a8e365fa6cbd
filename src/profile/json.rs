//! JSON that nobody declared: one object a line, or one document with an array somewhere. Finds the records, and what
//! hangs on each of their keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::column::ColumnSketch;
use super::name::identifier;
use super::tally::{DayOrder, NumberStyle};
use crate::column_type::ColumnType;
use crate::ingest::{Spelling, spelling};
use crate::name::{is_identifier, is_value};

/// How deep an array of records may lie in a document.
const DEEPEST: usize = 4;
/// Keys of one object; an object of more is a dictionary, and its keys are values.
const MOST_KEYS: usize = 400;
/// Of so many values one may be of another kind than the others: a mistake, and no reason to leave all of them out.
const ODD_ONE_IN: u64 = 50;
/// Fields of list items that are told by name.
const FIELDS_TOLD: usize = 5;

/// Where the records of a text are.
pub(super) struct Found<'t> {
    /// `None`: one object a line. Else the keys that lead to the array; none: the document is the array.
    pub(super) path: Option<Vec<String>>,
    pub(super) records: Vec<&'t str>,
    /// Lines that are no JSON.
    pub(super) broken: u64,
}

/// The records of a text; `None` where it is no JSON that holds some. `is_whole`: the text is the whole file.
pub(super) fn find(text: &str, is_whole: bool) -> Option<Found<'_>> {
    let start = text.trim_start();
    match start.chars().next()? {
        '{' => by_line(start).or_else(|| document(start, is_whole)),
        '[' => document(start, is_whole),
        _ => None,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Why nothing was found in a text that is whole.
pub(super) fn why_none(text: &str) -> String {
    let Err(error) = serde_json::from_str::<IgnoredAny>(text) else {
        return "JSON without a list of records".to_string();
    };
    let first = text.trim_start().lines().next().unwrap_or_default();
    match error.is_eof() {
        _ if error.line() > 1 && is_json(first) => {
            "JSON lines, half of them or more broken".to_string()
        }
        true => format!(
            "broken JSON: it ends before it closes, in line {}",
            error.line()
        ),
        false => format!("broken JSON: {error}"),
    }
}

fn by_line(text: &str) -> Option<Found<'_>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (mut records, mut broken) = (Vec::new(), 0);
    for line in lines {
        match line.starts_with('{') && is_json(line) {
            true => records.push(line),
            false => broken += 1,
        }
        // a document over many lines is no object a line
        if records.is_empty() && broken > 1 {
            return None;
        }
    }
    let holds_array = records.len() == 1 && broken == 0 && path_to_array(records[0]).is_some();
    (records.len() as u64 > broken && !holds_array).then_some(Found {
        path: None,
        records,
        broken,
    })
}

fn document(text: &str, is_whole: bool) -> Option<Found<'_>> {
    if is_whole && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return Some(Found {
            path: Some(Vec::new()),
            records: items.into_iter().map(RawValue::get).collect(),
            broken: 0,
        });
    }
    if is_whole && let Some(path) = path_to_array(text) {
        let mut inner = text;
        for key in &path {
            let map: BTreeMap<String, &RawValue> = serde_json::from_str(inner).ok()?;
            inner = map.get(key).map(|value| value.get())?;
        }
        let items: Vec<&RawValue> = serde_json::from_str(inner).ok()?;
        return Some(Found {
            path: Some(path),
            records: items.into_iter().map(RawValue::get).collect(),
            broken: 0,
        });
    }
    // an array with a broken element, or one cut off: an element a line is read all the same
    if !text.starts_with('[') {
        return None;
    }
    let (mut records, mut broken) = (Vec::new(), 0);
    for line in text.lines().map(str::trim) {
        let line = line.trim_start_matches('[').trim_end_matches(']');
        let line = line.trim().trim_end_matches(',');
        if line.is_empty() {
            continue;
        }
        match line.starts_with('{') && is_json(line) {
            true => records.push(line),
            false => broken += 1,
        }
    }
    (records.len() as u64 > broken).then_some(Found {
        path: Some(Vec::new()),
        records,
        broken,
    })
}

/// The keys that lead to the longest array of objects.
fn path_to_array(text: &str) -> Option<Vec<String>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut best: Option<(usize, Vec<String>)> = None;
    let mut open = vec![(&value, Vec::new())];
    while let Some((value, path)) = open.pop() {
        let Some(map) = value.as_object().filter(|_| path.len() < DEEPEST) else {
            continue;
        };
        for (key, value) in map {
            let below = [path.as_slice(), std::slice::from_ref(key)].concat();
            if let Some(items) = value.as_array() {
                let is_of_objects = !items.is_empty() && items.iter().all(|i| i.is_object());
                if is_of_objects && best.as_ref().is_none_or(|(most, _)| items.len() > *most) {
                    best = Some((items.len(), below));
                }
            } else {
                open.push((value, below));
            }
        }
    }
    // a lone list within a record is part of it, not the record itself
    best.filter(|(items, _)| *items > 1).map(|(_, path)| path)
}

/// What hangs on a key, over all records.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    children: Vec<(String, Node)>,
    items: Option<Box<Node>>,
    scalars: u64,
    objects: u64,
    lists: u64,
    sketch: ColumnSketch,
}

/// A column that a contract can name.
pub(super) struct Leaf {
    /// `address.postalCode`
    pub(super) path: String,
    pub(super) sketch: ColumnSketch,
    /// Of a list: the type of the whole.
    pub(super) list: Option<ColumnType>,
    /// Values of another kind than the others, or with such in them: a reader rejects them.
    pub(super) odd: u64,
}

/// What a value is, as far as a contract cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    Object,
    Scalar,
}

/// The type of what lies within a list.
struct Within {
    data_type: ColumnType,
    /// Values that are not of it.
    odd: u64,
}

/// What of the records no contract can name, by the path of what it lies in; empty: the records.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// Values of several kinds at a path, or lists of such.
    Mixed(String),
    /// An object of more keys than anybody has fields.
    TooManyKeys(String),
    /// A key without a letter.
    NoName(String),
    /// Fields of the items of a list that no struct can hold: by their name, or since they hold several kinds of values.
    Fields { list: String, names: Vec<String> },
    /// Keys that seem to be values themselves; mostly they are somebody's, so they are counted and not told.
    Values { within: String, keys: usize },
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |path: &str| match path {
            "" => "the records".to_string(),
            path => format!("`{path}`"),
        };
        match self {
            Self::Mixed(path) => write!(f, "`{path}` holds different kinds of values: left out"),
            Self::TooManyKeys(path) if path.is_empty() => write!(
                f,
                "the records have more than {MOST_KEYS} keys: the others are left out"
            ),
            Self::TooManyKeys(path) => {
                write!(f, "`{path}` has more than {MOST_KEYS} keys: left out")
            }
            Self::Fields { list, names } => {
                let is_hidden = names.len() > FIELDS_TOLD
                    || names.iter().any(|name| name.is_empty() || is_value(name));
                let told = match is_hidden {
                    true => String::new(),
                    false => format!(": {}", names.join(", ")),
                };
                let count = names.len();
                write!(
                    f,
                    "fields of `{list}` that no struct can hold: {count} left out{told}"
                )
            }
            Self::NoName(within) => write!(f, "a key without a name in {}: left out", of(within)),
            Self::Values { within, keys } => {
                let of = of(within);
                write!(
                    f,
                    "keys in {of} that are values themselves, as addresses are: {keys} left out"
                )
            }
        }
    }
}

impl Node {
    /// Takes a record. `false` where it is no JSON; nothing of it is taken then.
    pub(super) fn add(&mut self, record: &str) -> bool {
        if !is_json(record) {
            return false;
        }
        let mut reader = serde_json::Deserializer::from_str(record);
        (&mut *self).deserialize(&mut reader).is_ok()
    }

    /// Adds what hangs on the keys of more records.
    pub(super) fn merge(&mut self, other: &Self) {
        self.scalars += other.scalars;
        self.objects += other.objects;
        self.lists += other.lists;
        self.sketch.merge(&other.sketch);
        for (key, child) in &other.children {
            self.child(key).merge(child);
        }
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items);
        }
    }

    /// The columns, and what no contract can name.
    pub(super) fn leaves(&self, rows: u64) -> (Vec<Leaf>, Vec<Unnamed>) {
        let (mut leaves, mut unnamed) = (Vec::new(), Vec::new());
        self.gather_children("", rows, &mut leaves, &mut unnamed);
        if self.children.len() > MOST_KEYS {
            unnamed.push(Unnamed::TooManyKeys(String::new()));
        }
        (leaves, unnamed)
    }

    /// The kind of all values but a few, and how many are of another; `None` where none prevails.
    fn kind(&self) -> Option<(Kind, u64)> {
        let kinds = [
            (Kind::List, self.lists),
            (Kind::Object, self.objects),
            (Kind::Scalar, self.scalars),
        ];
        let (kind, most) = kinds.into_iter().max_by_key(|(_, count)| *count)?;
        let all: u64 = kinds.iter().map(|(_, count)| count).sum();
        let odd = all - most;
        (odd * ODD_ONE_IN <= all).then_some((kind, odd))
    }

    fn gather(&self, path: &str, rows: u64, leaves: &mut Vec<Leaf>, unnamed: &mut Vec<Unnamed>) {
        let mixed = || Unnamed::Mixed(path.to_string());
        let leaf = |mut sketch: ColumnSketch, list, odd, unread| {
            sketch.add_unread(unread);
            sketch.add_missing(rows.saturating_sub(sketch.rows()));
            Leaf {
                path: path.to_string(),
                sketch,
                list,
                odd,
            }
        };
        match self.kind() {
            None => unnamed.push(mixed()),
            Some((Kind::Object, _)) if self.children.len() > MOST_KEYS => {
                unnamed.push(Unnamed::TooManyKeys(path.to_string()));
            }
            Some((Kind::Object, odd)) => {
                let first = leaves.len();
                self.gather_children(&format!("{path}."), rows, leaves, unnamed);
                // a record whose object is none is rejected, whichever of these columns says so
                leaves[first..].iter_mut().for_each(|leaf| leaf.odd += odd);
            }
            Some((Kind::List, odd)) => {
                let mut left_out = Vec::new();
                match self.list_type(&mut left_out) {
                    None if left_out.is_empty() => unnamed.push(mixed()),
                    None => unnamed.push(Unnamed::Fields {
                        list: path.to_string(),
                        names: left_out,
                    }),
                    // one bad item costs its record: a draft would reject many of them
                    Some(within) if (within.odd + odd) * ODD_ONE_IN > self.lists + odd => {
                        unnamed.push(mixed());
                    }
                    Some(within) => {
                        let (list, unread) = (Some(within.data_type), self.lists + odd);
                        let odd = within.odd + odd;
                        leaves.push(leaf(ColumnSketch::default(), list, odd, unread));
                        if !left_out.is_empty() {
                            unnamed.push(Unnamed::Fields {
                                list: path.to_string(),
                                names: left_out,
                            });
                        }
                    }
                }
            }
            Some((Kind::Scalar, odd)) => leaves.push(leaf(self.sketch.clone(), None, odd, odd)),
        }
    }

    fn gather_children(
        &self,
        prefix: &str,
        rows: u64,
        leaves: &mut Vec<Leaf>,
        unnamed: &mut Vec<Unnamed>,
    ) {
        let within = || prefix.trim_end_matches('.').to_string();
        let mut values = 0;
        for (key, child) in &self.children {
            match key.as_str() {
                "" => unnamed.push(Unnamed::NoName(within())),
                key if is_value(key) => values += 1,
                key => child.gather(&format!("{prefix}{key}"), rows, leaves, unnamed),
            }
        }
        if values > 0 {
            unnamed.push(Unnamed::Values {
                within: within(),
                keys: values,
            });
        }
    }

    /// The type of the lists here; `None` where no contract can name it. `left_out` gets the names of fields that no struct reads.
    fn list_type(&self, left_out: &mut Vec<String>) -> Option<Within> {
        let item = match &self.items {
            // of lists that were all empty
            None => Within {
                data_type: ColumnType::Varchar,
                odd: 0,
            },
            Some(items) => items.value_type(left_out)?,
        };
        Some(Within {
            data_type: ColumnType::List(Box::new(item.data_type)),
            odd: item.odd,
        })
    }

    fn value_type(&self, left_out: &mut Vec<String>) -> Option<Within> {
        let (kind, odd) = self.kind()?;
        match kind {
            Kind::Scalar => {
                let tally = &self.sketch.tally;
                let guess = tally.guess(&NumberStyle::default(), &DayOrder::default(), "");
                Some(Within {
                    data_type: guess.data_type,
                    odd: guess.misfits + odd,
                })
            }
            Kind::Object => {
                let mut odd = odd;
                let mut fields = Vec::new();
                for (name, child) in self.fields(left_out) {
                    let mut inner = Vec::new();
                    match child.value_type(&mut inner) {
                        Some(within) => {
                            fields.push((name, within.data_type));
                            odd += within.odd;
                            left_out.append(&mut inner);
                        }
                        None => left_out.push(name),
                    }
                }
                (!fields.is_empty()).then_some(Within {
                    data_type: ColumnType::Struct(fields),
                    odd,
                })
            }
            Kind::List => {
                let mut within = self.list_type(left_out)?;
                within.odd += odd;
                Some(within)
            }
        }
    }

    /// What hangs on the keys that a struct reads, by the fields that read them: `unit_price` and `unitPrice` are one, but beside
    /// them no field reads `UNIT_PRICE`, nor one of two such spellings.
    fn fields(&self, left_out: &mut Vec<String>) -> Vec<(String, Cow<'_, Self>)> {
        let is_named = |key: &str| !is_value(key);
        let keys = self.children.iter().map(|(key, _)| key.as_str());
        let named: Vec<_> = keys
            .map(|key| field_name(key).filter(|_| is_named(key)))
            .collect();
        let is_beside_others = |name: &str| {
            let same = named.iter().flatten().filter(|(other, _)| other == name);
            same.count() > 1
        };
        let mut fields: Vec<(String, Cow<'_, Self>)> = Vec::new();
        for ((key, child), named) in self.children.iter().zip(&named) {
            let is_read = |(name, spelling): &&(String, Spelling)| {
                *spelling != Spelling::Other || !is_beside_others(name)
            };
            let Some((name, _)) = named.as_ref().filter(is_read) else {
                left_out.push(key.clone());
                continue;
            };
            match fields.iter_mut().find(|(other, _)| other == name) {
                Some((_, field)) => field.to_mut().merge(child),
                None => fields.push((name.clone(), Cow::Borrowed(child))),
            }
        }
        fields
    }

    fn scalar(&mut self, text: &str) {
        // an empty text is read as null, beside objects and lists too
        self.scalars += u64::from(!text.is_empty());
        self.sketch.add(Some(text));
    }

    fn child(&mut self, key: &str) -> &mut Node {
        let at = match self.children.iter().position(|(name, _)| name == key) {
            Some(at) => at,
            None => {
                self.children.push((key.to_string(), Node::default()));
                self.children.len() - 1
            }
        };
        &mut self.children[at].1
    }
}

/// The field of a struct that reads this key, and how it spells it.
fn field_name(key: &str) -> Option<(String, Spelling)> {
    let name = identifier(key, "");
    let spelling = spelling(&name, key).filter(|_| is_identifier(&name))?;
    Some((name, spelling))
}

impl<'de> DeserializeSeed<'de> for &mut Node {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Node {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.sketch.add(None);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        // `449.0` stays a number with decimals
        self.scalar(&format!("{value:?}"));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.scalar(value);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.objects += 1;
        while let Some(key) = map.next_key::<String>()? {
            let is_known = || self.children.iter().any(|(name, _)| *name == key);
            if self.children.len() > MOST_KEYS && !is_known() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(self.child(&key))?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.lists += 1;
        let node = self.items.get_or_insert_default();
        while items.next_element_seed(&mut **node)?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str) -> (Vec<Leaf>, Vec<Unnamed>) {
        let found = find(text, true).unwrap();
        let mut node = Node::default();
        let rows = found
            .records
            .iter()
            .filter(|record| node.add(record))
            .count();
        node.leaves(rows as u64)
    }

    fn columns(text: &str) -> Vec<String> {
        let (leaves, _) = leaves(text);
        leaves
            .into_iter()
            .map(|leaf| match leaf.list {
                Some(list) => format!("{} {list}", leaf.path),
                None => leaf.path,
            })
            .collect()
    }

    #[test]
    fn nested_records_become_paths_and_lists_become_types() {
        let text = r#"{"id": 1, "name": {"first": "A", "last": null}, "lines": [{"sku": "x", "unitPrice": 1.5}]}
{"id": 2, "lines": []}
"#;
        assert_eq!(
            columns(text),
            [
                "id",
                "name.first",
                "name.last",
                "lines list<struct<sku varchar, unit_price decimal(18,2)>>"
            ]
        );
    }

    #[test]
    fn records_are_found_wherever_the_array_is() {
        let found = find(r#"{"data": {"items": [{"a": 1}, {"a": 2}]}, "n": 2}"#, true).unwrap();
        assert_eq!(found.path.unwrap(), ["data", "items"]);
        assert_eq!(found.records.len(), 2);
        let found = find("[\n{\"a\": 1},\n{\"a\": 2, \"b\n{\"a\": 3}\n]\n", true).unwrap();
        assert_eq!((found.records.len(), found.broken), (2, 1));
        assert!(find("a,b\n1,2\n", true).is_none());
    }

    #[test]
    fn a_key_that_holds_now_an_object_and_now_a_text_is_left_out() {
        let text = "{\"a\": 1, \"b\": {\"c\": 1}}\n{\"a\": 2, \"b\": \"x\"}\n";
        assert_eq!(columns(text), ["a"]);
    }

    #[test]
    fn one_of_another_kind_among_many_is_odd_and_does_not_cost_the_column() {
        let lines = |odd: &str| {
            let line = |n| match n {
                7 => odd.to_string(),
                n => format!(r#"{{"id": {n}, "a": {{"b": {n}}}, "l": [{{"x": {n}}}]}}"#),
            };
            (0..100).map(line).collect::<Vec<_>>().join("\n")
        };
        for (odd, expected) in [
            (r#"{"id": [], "a": {"b": 7}, "l": []}"#, [1, 0, 0]),
            (r#"{"id": 7, "a": "none", "l": []}"#, [0, 1, 0]),
            (r#"{"id": 7, "a": {"b": 7}, "l": "none"}"#, [0, 0, 1]),
            (r#"{"id": 7, "a": {"b": 7}, "l": [7]}"#, [0, 0, 1]),
        ] {
            let (leaves, unnamed) = leaves(&lines(odd));
            let seen: Vec<_> = leaves.iter().map(|leaf| leaf.odd).collect();
            assert_eq!(seen, expected, "{odd}");
            assert_eq!(unnamed, [], "{odd}");
            let lists = leaves.iter().filter_map(|leaf| leaf.list.as_ref());
            let lists: Vec<_> = lists.map(ToString::to_string).collect();
            assert_eq!(lists, ["list<struct<x bigint>>"], "{odd}");
            assert!(leaves.iter().all(|leaf| leaf.sketch.rows() == 100), "{odd}");
        }
    }

    #[test]
    fn fields_of_items_that_no_struct_reads_are_told() {
        let text = r#"{"l": [{"sku": "x", "Pris å kr": 1, "of": {"a": 1}, "m": 1}, {"sku": "y", "m": []}]}"#;
        let (leaves, unnamed) = leaves(&format!("{text}\n{text}\n"));
        let list = leaves[0].list.as_ref().map(ToString::to_string);
        assert_eq!(
            list.unwrap(),
            "list<struct<sku varchar, pris_a_kr bigint, of struct<a bigint>>>"
        );
        let told: Vec<_> = unnamed.iter().map(Unnamed::to_string).collect();
        assert_eq!(
            told,
            ["fields of `l` that no struct can hold: 1 left out: m"]
        );
        let text = r#"{"l": [{"unitPrice": 1}, {"unit_price": "x", "": 1, "1st": 2}]}"#;
        let lines = format!("{text}\n{text}\n");
        assert_eq!(columns(&lines), ["l list<struct<unit_price varchar>>"]);
        let text = r#"{"Lines": [{"SKU": "x", "UnitPrice": 1.5, "Qty": 1, "id": 1, "ID": 2, "No": 1, "NO": 2}]}"#;
        let (leaves, unnamed) = self::leaves(&format!("{text}\n{text}\n"));
        let list = leaves[0].list.as_ref().map(ToString::to_string);
        let expected = "list<struct<sku varchar, unit_price decimal(18,2), qty bigint, id bigint>>";
        assert_eq!(list.unwrap(), expected);
        let told: Vec<_> = unnamed.iter().map(Unnamed::to_string).collect();
        assert_eq!(
            told,
            ["fields of `Lines` that no struct can hold: 3 left out: ID, No, NO"]
        );
    }

    #[test]
    fn an_empty_text_is_null_beside_objects_and_lists() {
        let text = "{\"a\": {\"b\": 1}, \"l\": [1]}\n{\"a\": \"\", \"l\": \"\"}\n";
        assert_eq!(columns(text), ["a.b", "l list<bigint>"]);
    }

    #[test]
    fn an_odd_item_in_every_list_costs_the_column_and_not_every_record() {
        let items = "1,".repeat(99);
        let text = format!("{{\"id\": 1, \"l\": [{items} {{}}]}}\n").repeat(60);
        assert_eq!(columns(&text), ["id"]);
    }

    #[test]
    fn keys_that_are_values_are_counted_and_not_told() {
        let text = "{\"a\": 1, \"of\": {\"ada@example\": 1, \"bo.x\": 2, \"n\": 3, \"\": 1}, \"+46701234567\": 1}\n";
        let (leaves, unnamed) = leaves(text);
        let paths: Vec<_> = leaves.into_iter().map(|leaf| leaf.path).collect();
        assert_eq!(paths, ["a", "of.n"]);
        let told: Vec<_> = unnamed.iter().map(Unnamed::to_string).collect();
        assert_eq!(
            told,
            [
                "a key without a name in `of`: left out",
                "keys in `of` that are values themselves, as addresses are: 2 left out",
                "keys in the records that are values themselves, as addresses are: 1 left out"
            ]
        );
    }

    #[test]
    fn a_key_of_every_record_is_counted_in_all_of_them_however_many_others_there_are() {
        let lines =
            (0..MOST_KEYS as u64).map(|n| format!("{{\"id\": {n}, \"p{n}\": 1, \"q{n}\": 2}}\n"));
        let (leaves, unnamed) = leaves(&lines.collect::<String>());
        assert_eq!(leaves[0].path, "id");
        assert_eq!(leaves[0].sketch.rows(), MOST_KEYS as u64);
        assert!(leaves[0].sketch.is_unique());
        assert_eq!(unnamed, [Unnamed::TooManyKeys(String::new())]);
    }
}
