//! The three declarations from which decoder, key list, JSON Schema and reference are made:
//! `section!` (a map with known keys), `choice!` (one of several named things) and `words!` (one of several words).

/// A key as written: the field's name, or the literal given where that is a word of Rust.
macro_rules! key_of {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// A map with known keys: `/// doc` and `field: Type`, or `field ("key"): Type` where the key is a word of Rust.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident $(($key:literal))? : $type:ty, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            $( $(#[doc = $doc])* pub(crate) $field: $type, )*
        }

        impl $name {
            pub(crate) const KEYS: &'static [&'static str] =
                &[$( $crate::project::raw::declare::key_of!($field $($key)?) ),*];
        }

        impl $crate::project::raw::decode::Decode for $name {
            const BARE: bool = true;

            fn decode(
                node: &$crate::project::raw::tree::Node,
                sink: &mut $crate::project::raw::decode::Sink,
            ) -> Option<Self> {
                let $crate::project::raw::tree::Value::Map(entries) = &node.value else {
                    sink.not_a_section(node, Self::KEYS);
                    return None;
                };
                let place = sink.within.take().unwrap_or(node.span);
                struct Found {
                    $( $field: (Option<$crate::diagnostic::Span>, Option<$type>), )*
                }
                let mut found = Found { $( $field: (None, None), )* };
                for entry in entries {
                    match entry.key.value.as_str() {
                        $(
                            $crate::project::raw::declare::key_of!($field $($key)?) => {
                                if let Some(first) = found.$field.0 {
                                    sink.repeated_key(&entry.key, first);
                                    continue;
                                }
                                found.$field.0 = Some(entry.key.span);
                                if entry.value.is_nothing() {
                                    sink.empty_key(&entry.key);
                                    continue;
                                }
                                sink.within = Some(entry.key.span);
                                found.$field.1 =
                                    <$type as $crate::project::raw::decode::Decode>::decode_at(
                                        &entry.key,
                                        &entry.value,
                                        sink,
                                    );
                            }
                        )*
                        _ => sink.unknown_key(&entry.key, Self::KEYS),
                    }
                }
                $(
                    if <$type as $crate::project::raw::decode::Decode>::REQUIRED
                        && found.$field.0.is_none()
                    {
                        sink.missing_key(
                            place,
                            $crate::project::raw::declare::key_of!($field $($key)?),
                        );
                    }
                )*
                Some(Self {
                    $(
                        $field: match found.$field.1 {
                            Some(value) => value,
                            None => <$type as $crate::project::raw::decode::Decode>::absent()?,
                        },
                    )*
                })
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Raw").into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let properties: Vec<$crate::project::raw::declare::Property> = vec![
                    $(
                        $crate::project::raw::declare::Property::of::<$type>(
                            $crate::project::raw::declare::key_of!($field $($key)?),
                            &[$($doc),*],
                            generator,
                        ),
                    )*
                ];
                $crate::project::raw::declare::section_schema(&[$($about),*], properties)
            }
        }
    };
}

/// One of several named things: `Variant("word"): Content`. A bare word stands for the thing without settings, where
/// that is enough.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        $name:ident ($expected:literal) {
            $( $(#[doc = $doc:literal])* $variant:ident ($word:literal): $type:ty, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub(crate) enum $name {
            $( $(#[doc = $doc])* $variant($type), )*
        }

        impl $name {
            pub(crate) const WORDS: &'static [&'static str] = &[$( $word ),*];
        }

        impl $crate::project::raw::decode::Decode for $name {
            fn decode(
                node: &$crate::project::raw::tree::Node,
                sink: &mut $crate::project::raw::decode::Sink,
            ) -> Option<Self> {
                let (word, content) =
                    $crate::project::raw::declare::chosen(node, $expected, Self::WORDS, sink)?;
                match word.value.as_str() {
                    $(
                        $word => {
                            if content.is_none()
                                && !<$type as $crate::project::raw::decode::Decode>::BARE
                            {
                                $crate::project::raw::declare::needs_value(&word, sink);
                                return None;
                            }
                            sink.within = Some(word.span);
                            let empty = $crate::project::raw::tree::Node::empty_map(word.span);
                            <$type as $crate::project::raw::decode::Decode>::decode_at(
                                &word,
                                content.unwrap_or(&empty),
                                sink,
                            )
                            .map(Self::$variant)
                        }
                    )*
                    _ => None,
                }
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Raw").into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let properties: Vec<$crate::project::raw::declare::Property> = vec![
                    $(
                        $crate::project::raw::declare::Property::of::<$type>(
                            $word,
                            &[$($doc),*],
                            generator,
                        ),
                    )*
                ];
                $crate::project::raw::declare::choice_schema(&[$($about),*], properties)
            }
        }
    };
}

/// One of several words, each a value of an existing type; `later` are words still to come, `also` are near misses
/// that spelling does not find.
macro_rules! words {
    (
        $type:ty, $expected:literal { $( $word:literal => $value:expr, )* }
        $( later { $( $later:literal ),* } )?
        $( also { $( $other:literal => $meant:literal ),* } )?
    ) => {
        impl $crate::project::raw::decode::FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, $crate::project::raw::decode::Mistake> {
                match text {
                    $( $word => Ok($value), )*
                    _ => Err($crate::project::raw::declare::not_a_word(
                        text,
                        $expected,
                        &[$( $word ),*],
                        &[$( $( $later ),* )?],
                        &[$( $( ($other, $meant) ),* )?],
                    )),
                }
            }

            fn text_schema() -> schemars::Schema {
                schemars::json_schema!({"enum": [$( $word ),*]})
            }
        }
    };
}

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

pub(crate) use {choice, key_of, section, words};

use super::super::Spanned;
use super::dbt;
use super::decode::{Decode, Mistake, Sink, listed, nearest_word};
use super::tree::{Entry, Node, Value};

/// A key of a section, or a word of a choice, as the reference shows it.
pub(crate) struct Property {
    key: &'static str,
    description: String,
    required: bool,
    bare: bool,
    schema: Schema,
}

impl Property {
    pub(crate) fn of<T: Decode>(
        key: &'static str,
        doc: &[&str],
        generator: &mut SchemaGenerator,
    ) -> Self {
        let mut description = text_of(doc);
        if T::LATER {
            description = format!("Not in this version. {description}");
        }
        Self {
            key,
            description: description.trim_end().to_string(),
            required: T::REQUIRED,
            bare: T::BARE,
            schema: T::schema(generator),
        }
    }

    fn into_schema(self) -> Json {
        // a `$ref` keeps its own description beside it, as JSON Schema 2020-12 allows
        let mut schema = self.schema;
        if !self.description.is_empty() {
            schema.insert("description".into(), self.description.into());
        }
        schema.to_value()
    }
}

fn text_of(doc: &[&str]) -> String {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// The schema of a map with known keys.
pub(crate) fn section_schema(about: &[&str], properties: Vec<Property>) -> Schema {
    let required: Vec<Json> = properties
        .iter()
        .filter(|property| property.required)
        .map(|property| property.key.into())
        .collect();
    let properties: Map<String, Json> = properties
        .into_iter()
        .map(|property| (property.key.to_string(), property.into_schema()))
        .collect();
    let mut schema = json_schema!({
        "type": "object",
        "description": text_of(about),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    schema
}

/// The schema of one of several named things: a map with one key, or a bare word.
pub(crate) fn choice_schema(about: &[&str], properties: Vec<Property>) -> Schema {
    let bare: Vec<Json> = properties
        .iter()
        .filter(|property| property.bare)
        .map(|property| property.key.into())
        .collect();
    let properties: Map<String, Json> = properties
        .into_iter()
        .map(|property| (property.key.to_string(), property.into_schema()))
        .collect();
    let map = json_schema!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    let mut forms = vec![map.to_value()];
    if !bare.is_empty() {
        forms.push(json_schema!({"enum": bare}).to_value());
    }
    json_schema!({"description": text_of(about), "anyOf": forms})
}

/// The word that a choice names, and what belongs to it.
pub(crate) fn chosen<'n>(
    node: &'n Node,
    expected: &str,
    words: &[&str],
    sink: &mut Sink,
) -> Option<(Spanned<String>, Option<&'n Node>)> {
    let (word, content) = match &node.value {
        Value::Text { text, .. } if !node.is_null() => {
            let word = Spanned {
                value: text.clone(),
                span: node.span,
            };
            (word, None)
        }
        Value::Map(entries) if entries.len() == 1 => {
            let content = Some(&entries[0].value).filter(|content| !content.is_null());
            (entries[0].key.clone(), content)
        }
        Value::Map(entries) if entries.len() > 1 => {
            let second = &entries[1].key;
            let help = if let Some(word) = entries.iter().find_map(|entry| tagged(entry, words)) {
                format!("write `{word}: {{…}}` with the settings inside")
            } else if words.contains(&second.value.as_str()) {
                "write them as two items".to_string()
            } else {
                let first = &entries[0].key.value;
                format!("settings go inside: `{first}: {{{}: …}}`", second.value)
            };
            let mistake = Mistake::new(104, format!("expected {expected}, found several keys"));
            sink.report(second.span, mistake.help(help));
            return None;
        }
        _ => {
            sink.unexpected(node, expected);
            return None;
        }
    };
    if !words.contains(&word.value.as_str()) {
        sink.report(
            word.span,
            not_a_word(&word.value, expected, words, &[], &[]),
        );
        return None;
    }
    Some((word, content))
}

/// The word that `type: word` meant.
fn tagged<'w>(entry: &Entry, words: &[&'w str]) -> Option<&'w str> {
    let Value::Text { text, .. } = &entry.value.value else {
        return None;
    };
    let names = ["type", "format", "kind", "test"];
    words
        .iter()
        .find(|word| names.contains(&entry.key.value.as_str()) && *word == text)
        .copied()
}

/// A bare word that says too little.
pub(crate) fn needs_value(word: &Spanned<String>, sink: &mut Sink) {
    let name = &word.value;
    let mistake = Mistake::new(103, format!("`{name}` needs a value"));
    sink.report(word.span, mistake.help(format!("write `{name}: …`")));
}

/// What to say of a word that is not among the known ones.
pub(crate) fn not_a_word(
    text: &str,
    expected: &str,
    words: &[&str],
    later: &[&str],
    also: &[(&str, &str)],
) -> Mistake {
    if later.contains(&text) {
        return Mistake::new(190, format!("`{text}` is not in this version"))
            .help(format!("in this version: {}", listed(words)));
    }
    let mistake = Mistake::new(105, format!("`{text}` is not {expected}"));
    let lower = text.to_lowercase();
    if let Some((_, meant)) = also.iter().find(|(other, _)| *other == lower) {
        return mistake.help(format!("did you mean `{meant}`?"));
    }
    if let Some(help) = dbt::word(&lower, words) {
        return Mistake {
            code: 108,
            ..mistake
        }
        .help(help);
    }
    match nearest_word(text, words) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake.help(format!("one of {}", listed(words))),
    }
}
