//! YAML text → a tree in which every key and value knows the bytes where it stands.
//!
//! In: the text of one file. Out: a [`Node`], or the one place where the text stops being YAML. Scalars keep the text as
//! written (`NO`, `+46701234567`, `01234`): what a value means is decided by the key that asks for it, never by YAML's
//! guess. Anchors and aliases work, within a budget; merge keys and more than one document do not.

use std::collections::BTreeMap;

use serde_yaml::granit_parser::{self, Event, Marker, Parser, ScalarStyle, Tag};

use super::super::Spanned;
use crate::diagnostic::Span;

/// Nodes that the aliases of one file may repeat; a project needs a handful, a bomb needs millions.
const MAX_REPEATED_NODES: usize = 10_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a value looks like, before anyone asks what it means.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text {
        text: String,
        /// Without quotes: only then can it be null, true or false.
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Spanned<String>,
    pub(crate) value: Node,
}

/// Where and why a text is not YAML that kilde reads.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Node {
    /// An empty map at a place: what a bare word stands for.
    pub(crate) fn empty_map(span: Span) -> Self {
        Self {
            span,
            value: Value::Map(Vec::new()),
        }
    }

    /// Whether nothing was written, or `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        match &self.value {
            Value::Text { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::List(_) | Value::Map(_) => false,
        }
    }

    /// Whether nothing at all was written.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Text { text, plain: true } if text.is_empty())
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Text { .. } => 0,
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }
}

/// The tree of a file; an empty file is an empty map.
pub(crate) fn parse(text: &str) -> Result<Node, NotYaml> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: 64,
        block_nesting_limit: 64,
    };
    let mut builder = Builder {
        text,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        repeated: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let span = Span {
                    start: byte(&span.start),
                    end: byte(&span.end),
                };
                builder.take(event, span)?;
            }
            Err(error) => return Err(syntax_error(text, &error)),
        }
    }
    let root = builder.root.filter(|root| !root.is_null());
    Ok(root.unwrap_or_else(|| Node::empty_map(Span::default())))
}

fn byte(marker: &Marker) -> usize {
    // the parser reads from a `&str` and then always knows bytes; the character index is the same for ASCII
    marker.byte_offset().unwrap_or_else(|| marker.index())
}

/// Collections that are still open, and what is done.
struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    repeated: usize,
    root: Option<Node>,
    documents: usize,
}

struct Open {
    span: Span,
    anchor: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<Spanned<String>>),
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), NotYaml> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(NotYaml {
                        span,
                        message: "a second document in one file".into(),
                        help: Some("one file describes one thing: remove the `---`".into()),
                    });
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                let node = Node {
                    span,
                    value: Value::Text {
                        text: value.into_owned(),
                        plain: style == ScalarStyle::Plain,
                    },
                };
                self.close(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.open(span, anchor, Children::List(Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.open(span, anchor, Children::Map(Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::Alias(anchor) => self.repeat(anchor, span)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, span: Span, anchor: usize, children: Children) {
        self.open.push(Open {
            span,
            anchor,
            children,
        });
    }

    fn end(&mut self, end: Span) -> Result<(), NotYaml> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let (value, last) = match open.children {
            Children::List(items) => {
                let last = items.last().map(|item| item.span.end);
                (Value::List(items), last)
            }
            Children::Map(entries, _) => {
                let last = entries
                    .last()
                    .map(|entry| entry.value.span.end.max(entry.key.span.end));
                (Value::Map(entries), last)
            }
        };
        // a block collection "ends" where the next thing begins; a flow collection at its bracket
        let bracket = matches!(self.text.get(end.start..end.end), Some("}" | "]"));
        let last = last.unwrap_or(open.span.end);
        let span = Span {
            start: open.span.start,
            end: if bracket { end.end } else { last }.max(open.span.start),
        };
        self.close(Node { span, value }, open.anchor)
    }

    fn repeat(&mut self, anchor: usize, span: Span) -> Result<(), NotYaml> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(NotYaml {
                span,
                message: "an alias inside the value that it names".into(),
                help: None,
            });
        };
        self.repeated += node.size();
        if self.repeated > MAX_REPEATED_NODES {
            return Err(NotYaml {
                span,
                message: format!("aliases repeat more than {MAX_REPEATED_NODES} values"),
                help: Some("write the values out".into()),
            });
        }
        let node = node.clone();
        self.close(node, 0)
    }

    /// A finished node goes to its parent: as an item, a key, a value, or the whole document.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), NotYaml> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.root = Some(node),
            Some(Children::List(items)) => items.push(node),
            Some(Children::Map(entries, key)) => match key.take() {
                Some(key) => entries.push(Entry { key, value: node }),
                None => *key = Some(self::key(node, self.text)?),
            },
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, span: Span) -> Result<(), NotYaml> {
        match tag {
            Some(tag) if tag.handle() != "tag:yaml.org,2002:" => Err(NotYaml {
                span,
                message: format!("YAML tags such as `!{}` are not read", tag.suffix()),
                help: Some("write the value plainly".into()),
            }),
            _ => Ok(()),
        }
    }
}

fn key(node: Node, text: &str) -> Result<Spanned<String>, NotYaml> {
    match node.value {
        Value::Text { text, .. } => Ok(Spanned {
            value: text,
            span: node.span,
        }),
        Value::List(_) | Value::Map(_) => Err(NotYaml {
            span: node.span,
            message: "a key must be a word".into(),
            help: jinja_help(text, node.span.start),
        }),
    }
}

fn syntax_error(text: &str, error: &granit_parser::ScanError) -> NotYaml {
    use granit_parser::ErrorKind;
    let start = byte(error.marker()).min(text.len());
    let (message, help) = match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => (
            "a tab where YAML wants spaces".to_string(),
            Some("indent with spaces".to_string()),
        ),
        ErrorKind::MappingValueNotAllowed => (
            "`:` starts a value where none can stand".to_string(),
            Some("put text that contains `: ` in quotes, or check the indentation".to_string()),
        ),
        ErrorKind::ExpectedFlowSequenceSeparator if text[start..].starts_with(['{', '[']) => (
            "a bracket within a word".to_string(),
            Some("put a path that contains `{` in quotes when it stands in a list: ['a_{day:%Y%m%d}.csv']".to_string()),
        ),
        ErrorKind::UnknownAnchor => ("no anchor of this name above".to_string(), None),
        kind => (format!("not YAML: {kind}"), None),
    };
    NotYaml {
        span: Span {
            start,
            end: start + text[start..].chars().next().map_or(0, char::len_utf8),
        },
        message,
        help: jinja_help(text, start).or(help),
    }
}

/// A template on the line of a syntax error is its likely cause.
fn jinja_help(text: &str, offset: usize) -> Option<String> {
    let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    let line = text[start..].lines().next()?;
    (line.contains("{{") || line.contains("{%")).then(|| {
        "kilde has no templates: write the name or the value plainly, without `{{ }}`".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node, text: &str) -> String {
        let slice = &text[node.span.start..node.span.end];
        match &node.value {
            Value::Text { text, plain } => {
                format!("{}{text}@{slice}", if *plain { "" } else { "'" })
            }
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| shape(item, text)).collect();
                format!("[{}]", items.join("|"))
            }
            Value::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|entry| {
                        assert_eq!(
                            text[entry.key.span.start..entry.key.span.end].trim_matches('"'),
                            entry.key.value
                        );
                        format!("{}={}", entry.key.value, shape(&entry.value, text))
                    })
                    .collect();
                format!("{{{}}}", entries.join("|"))
            }
        }
    }

    fn of(text: &str) -> String {
        shape(&parse(text).unwrap(), text)
    }

    #[test]
    fn scalars_keep_the_text_as_written() {
        assert_eq!(
            of("a: NO\nb: +46701234567\nc: 01234\nd: 'it''s'\né: ü # x\n"),
            "{a=NO@NO|b=+46701234567@+46701234567|c=01234@01234|d='it's@'it''s'|é=ü@ü}"
        );
    }

    #[test]
    fn a_collection_spans_its_first_to_its_last_byte() {
        let text = "k:\n  - a: 1\n    b: [x, y]\n  - z\n\nnext: 1\n";
        let root = parse(text).unwrap();
        let Value::Map(entries) = &root.value else {
            panic!("{root:?}")
        };
        let span = entries[0].value.span;
        assert_eq!(&text[span.start..span.end], "- a: 1\n    b: [x, y]\n  - z");
    }

    #[test]
    fn a_single_pair_in_a_flow_list_is_a_map() {
        assert_eq!(
            of("t: [not_null, range: {min: 0}]"),
            "{t=[not_null@not_null|{range={min=0@0}}]}"
        );
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        for text in ["", "\n", "# only a comment\n", "---\n"] {
            assert!(matches!(parse(text).unwrap().value, Value::Map(e) if e.is_empty()));
        }
    }

    #[test]
    fn an_alias_repeats_its_value_and_a_bomb_is_refused() {
        assert_eq!(of("a: &x [1]\nb: *x\n"), "{a=[1@1]|b=[1@1]}");
        let mut bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n".to_string();
        for i in 1..9 {
            let items = vec![format!("*a{}", i - 1); 9].join(",");
            bomb.push_str(&format!("a{i}: &a{i} [{items}]\n"));
        }
        assert!(parse(&bomb).unwrap_err().message.contains("aliases repeat"));
    }

    #[test]
    fn syntax_errors_have_a_place_and_a_way_out() {
        let tab = parse("a:\n\tb: 1\n").unwrap_err();
        assert_eq!(tab.help.as_deref(), Some("indent with spaces"));
        let jinja = parse("to: {{ ref('stores') }}\n").unwrap_err();
        assert!(jinja.help.unwrap().contains("no templates"));
        let brace = parse("files: [a_{day:%Y}.csv]\n").unwrap_err();
        assert!(brace.help.unwrap().contains("in quotes"));
        assert!(parse("a: [1, 2\nb: 3\n").is_err());
        assert!(
            parse("a: 1\n---\nb: 2\n")
                .unwrap_err()
                .message
                .contains("second document")
        );
    }

    #[test]
    fn the_span_of_a_block_text_is_within_the_file() {
        let text = "q: |\n  select 1\n  from x\nn: 1\n";
        assert_eq!(
            of(text),
            "{q='select 1\nfrom x\n@select 1\n  from x\n|n=1@1}"
        );
    }
}
