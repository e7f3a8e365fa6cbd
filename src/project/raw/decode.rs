//! A tree of YAML → typed shapes, gathering every mistake on the way.
//!
//! [`Decode`] is serde's `Deserialize` turned around: a value that cannot be decoded reports why at its place and gives
//! `None`, and its neighbours go on, so that all mistakes of a file come out at once. What a shape accepts and the JSON
//! Schema it shows come from one declaration and cannot part.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator, json_schema};

use super::super::Spanned;
use super::dbt;
use super::tree::{Node, Value};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};

/// Where the mistakes of one file are gathered.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) file: Arc<SourceFile>,
    pub(crate) found: Vec<Diagnostic>,
    /// The key whose value is decoded next, where a section that lacks something is best blamed.
    pub(crate) within: Option<Span>,
}

/// Why a text is not what its key asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Sink {
    pub(crate) fn new(file: &Arc<SourceFile>) -> Self {
        Self {
            file: Arc::clone(file),
            found: Vec::new(),
            within: None,
        }
    }

    /// Adds a mistake at a place of the file.
    pub(crate) fn report(&mut self, span: Span, mistake: Mistake) {
        let mut diagnostic =
            Diagnostic::error(Code(mistake.code), mistake.message).at(&self.file, span);
        diagnostic.help = mistake.help;
        self.found.push(diagnostic);
    }

    /// Something of another kind stands where `expected` belongs.
    pub(crate) fn unexpected(&mut self, node: &Node, expected: &str) {
        if node.is_null() {
            let help = "give it a value, or remove the key";
            let mistake = Mistake::new(103, format!("nothing is written where {expected} belongs"));
            return self.report(node.span, mistake.help(help));
        }
        let found = match &node.value {
            Value::Text { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        };
        self.report(
            node.span,
            Mistake::new(103, format!("expected {expected}, found {found}")),
        );
    }

    /// A key that the section does not have.
    pub(crate) fn unknown_key(&mut self, key: &Spanned<String>, known: &[&str]) {
        let mistake = Mistake::new(107, format!("unknown key `{}`", key.value));
        let mistake = match (dbt::key(&key.value, known), nearest_word(&key.value, known)) {
            (Some(help), _) => Mistake {
                code: 108,
                ..mistake
            }
            .help(help),
            (None, Some(near)) => mistake.help(format!("did you mean `{near}`?")),
            (None, None) if known.is_empty() => mistake.help("no key belongs here"),
            (None, None) => mistake.help(format!("known here: {}", listed(known))),
        };
        self.report(key.span, mistake);
    }

    /// Something else stands where a section belongs.
    pub(crate) fn not_a_section(&mut self, node: &Node, keys: &[&str]) {
        let before = self.found.len();
        self.unexpected(node, "a map of keys");
        for diagnostic in self.found.iter_mut().skip(before) {
            diagnostic.help = Some(format!("its keys are {}", listed(keys)));
        }
    }

    /// A key after which nothing is written.
    pub(crate) fn empty_key(&mut self, key: &Spanned<String>) {
        let mistake = Mistake::new(103, format!("`{}` has no value", key.value));
        self.report(key.span, mistake.help("give it a value, or remove the key"));
    }

    /// A key that stands twice in one map.
    pub(crate) fn repeated_key(&mut self, key: &Spanned<String>, first: Span) {
        let (line, _) = self.file.position(first.start);
        let mistake = Mistake::new(102, format!("key `{}` is written twice", key.value))
            .help(format!("it stands in line {line} already: keep one"));
        self.report(key.span, mistake);
    }

    /// A key that must be written and is not; `span` is where its section is best blamed.
    pub(crate) fn missing_key(&mut self, span: Span, key: &str) {
        self.report(span, Mistake::new(106, format!("missing key `{key}`")));
    }
}

/// `a`, `b`, `c` in backticks.
pub(crate) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// The known word that was probably meant: near in spelling, or the same but for case and `-`.
pub(crate) fn nearest_word<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let plain = word.to_lowercase().replace(['-', ' '], "_");
    known
        .iter()
        .find(|candidate| **candidate == plain)
        .copied()
        .or_else(|| nearest(word, known.iter().copied()))
}

/// A shape that a node of YAML can have.
pub(crate) trait Decode: Sized {
    /// Whether the key must be written.
    const REQUIRED: bool = true;
    /// Whether a bare word, the name of the thing, is enough: an empty map is a whole value.
    const BARE: bool = false;
    /// Whether it is refused in this version, for the reference.
    const LATER: bool = false;

    /// The value, or `None` after reporting why not.
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self>;

    /// The value under a key; only what must blame the key itself differs from [`Decode::decode`].
    fn decode_at(_key: &Spanned<String>, node: &Node, sink: &mut Sink) -> Option<Self> {
        Self::decode(node, sink)
    }

    /// The value where the key is not written, or was reported as wrong.
    fn absent() -> Option<Self> {
        None
    }

    /// What an editor is told.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// What one piece of text can mean.
pub(crate) trait FromText: Sized {
    /// "a number", "a table's name": for messages.
    const EXPECTED: &'static str;

    /// The value, or why the text is none.
    fn from_text(text: &str) -> Result<Self, Mistake>;

    /// What an editor is told.
    fn text_schema() -> Schema {
        json_schema!({"type": "string"})
    }
}

impl<T: FromText> Decode for T {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        let Value::Text { text, .. } = &node.value else {
            sink.unexpected(node, T::EXPECTED);
            return None;
        };
        if node.is_null() {
            sink.unexpected(node, T::EXPECTED);
            return None;
        }
        T::from_text(text)
            .map_err(|mistake| sink.report(node.span, mistake))
            .ok()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        T::text_schema()
    }
}

impl FromText for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        Ok(text.to_string())
    }

    fn text_schema() -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

impl<T: Decode> Decode for Option<T> {
    const REQUIRED: bool = false;
    const LATER: bool = T::LATER;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        T::decode(node, sink).map(Some)
    }

    fn decode_at(key: &Spanned<String>, node: &Node, sink: &mut Sink) -> Option<Self> {
        T::decode_at(key, node, sink).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Decode> Decode for Spanned<T> {
    const REQUIRED: bool = T::REQUIRED;
    const BARE: bool = T::BARE;
    const LATER: bool = T::LATER;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        T::decode(node, sink).map(|value| Self {
            value,
            span: node.span,
        })
    }

    fn decode_at(key: &Spanned<String>, node: &Node, sink: &mut Sink) -> Option<Self> {
        T::decode_at(key, node, sink).map(|value| Self {
            value,
            span: node.span,
        })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// A shape that is too large to stand in a choice beside small ones.
#[derive(Clone, Debug)]
pub(crate) struct Boxed<T>(pub(crate) Box<T>);

impl<T: Decode> Decode for Boxed<T> {
    const REQUIRED: bool = T::REQUIRED;
    const BARE: bool = T::BARE;
    const LATER: bool = T::LATER;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        T::decode(node, sink).map(|value| Self(Box::new(value)))
    }

    fn decode_at(key: &Spanned<String>, node: &Node, sink: &mut Sink) -> Option<Self> {
        T::decode_at(key, node, sink).map(|value| Self(Box::new(value)))
    }

    fn absent() -> Option<Self> {
        T::absent().map(|value| Self(Box::new(value)))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// A key whose mistake does not take its section away.
#[derive(Clone, Debug)]
pub(crate) struct Tried<T>(pub(crate) Option<T>);

impl<T: Decode> Decode for Tried<T> {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        Some(Self(T::decode(node, sink)))
    }

    fn absent() -> Option<Self> {
        Some(Self(None))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// A list whose items stand or fall alone.
#[derive(Clone, Debug)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    /// Whether every item could be read: where not, nothing can be said of what is absent.
    pub(crate) whole: bool,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            whole: true,
        }
    }
}

impl<T: Decode> Decode for Items<T> {
    const REQUIRED: bool = false;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            sink.unexpected(node, "a list");
            return Some(Self {
                items: Vec::new(),
                whole: false,
            });
        };
        let mut items: Vec<T> = Vec::with_capacity(nodes.len());
        for node in nodes {
            sink.within = None;
            items.extend(T::decode(node, sink));
        }
        let whole = items.len() == nodes.len();
        Some(Self { items, whole })
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let items = T::schema(generator);
        json_schema!({"type": "array", "items": items})
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T: Decode> Decode for OneOrMany<T> {
    const REQUIRED: bool = false;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        Some(Self(match &node.value {
            Value::List(nodes) => nodes
                .iter()
                .filter_map(|node| T::decode(node, sink))
                .collect(),
            Value::Text { .. } | Value::Map(_) => T::decode(node, sink).into_iter().collect(),
        }))
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = T::schema(generator);
        json_schema!({"anyOf": [item, {"type": "array", "items": item}]})
    }
}

/// As [`OneOrMany`], where at least one is needed.
#[derive(Clone, Debug)]
pub(crate) struct AtLeastOne<T>(pub(crate) Vec<T>);

impl<T: Decode> Decode for AtLeastOne<T> {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        if matches!(&node.value, Value::List(nodes) if nodes.is_empty()) {
            sink.report(node.span, Mistake::new(103, "at least one belongs here"));
            return None;
        }
        let values = OneOrMany::decode(node, sink)?.0;
        (!values.is_empty()).then_some(Self(values))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        OneOrMany::<T>::schema(generator)
    }
}

/// A map whose keys the user names.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    pub(crate) entries: Vec<(Spanned<String>, T)>,
    /// Whether every entry could be read.
    pub(crate) whole: bool,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            whole: true,
        }
    }
}

impl<T: Decode> Decode for Named<T> {
    const REQUIRED: bool = false;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            sink.unexpected(node, "a map of names");
            return Some(Self {
                entries: Vec::new(),
                whole: false,
            });
        };
        let mut named = Self::default();
        let mut seen = BTreeMap::new();
        for entry in entries {
            let key = &entry.key;
            if let Some(first) = seen.get(key.value.as_str()) {
                sink.repeated_key(key, *first);
                continue;
            }
            seen.insert(key.value.as_str(), key.span);
            sink.within = Some(entry.key.span);
            if let Some(value) = T::decode(&entry.value, sink) {
                named.entries.push((entry.key.clone(), value));
            } else {
                named.whole = false;
            }
        }
        Some(named)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let value = T::schema(generator);
        json_schema!({"type": "object", "additionalProperties": value})
    }
}

/// A feature still to come: its shape is checked, then it is refused at its key; no value of it exists.
#[derive(Clone, Debug)]
pub(crate) struct Later<T>(Infallible, PhantomData<T>);

impl<T> Later<T> {
    /// What to make of a value that does not exist.
    pub(crate) fn never<R>(&self) -> R {
        match self.0 {}
    }
}

impl<T: Decode> Decode for Later<T> {
    const REQUIRED: bool = false;
    const LATER: bool = true;
    const BARE: bool = true;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        let before = sink.found.len();
        T::decode(node, sink);
        if sink.found.len() == before {
            sink.report(node.span, Mistake::new(190, "this is not in this version"));
        }
        None
    }

    fn decode_at(key: &Spanned<String>, node: &Node, sink: &mut Sink) -> Option<Self> {
        // a bare word of what is still to come says too little to check
        if key.span != node.span {
            T::decode(node, sink);
        }
        sink.report(
            key.span,
            Mistake::new(190, format!("`{}` is not in this version", key.value))
                .help("remove it: kilde never accepts what it would then ignore"),
        );
        None
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// A value whose shape is settled by the issue that brings it.
#[derive(Clone, Debug)]
pub(crate) struct Anything;

impl Decode for Anything {
    fn decode(_: &Node, _: &mut Sink) -> Option<Self> {
        Some(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
