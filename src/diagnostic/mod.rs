//! Mistakes in a user's files: stable code, place, the line with a caret, and the fix.
//!
//! In: a file's text and a byte span. Out: a [`Diagnostic`] that renders as the compiler of a programming language
//! would. This module knows nothing of YAML, SQL or any other module.

pub(crate) mod explanation;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A stable number of a kind of mistake, printed `K0107`; `kilde explain K0107` tells more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "K{:04}", self.0)
    }
}

/// A file of the project as the user sees it: path from the project's root, with `/`, and the text.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path from the project's root.
    pub path: String,
    /// The whole text, UTF-8.
    pub text: String,
}

impl SourceFile {
    /// Line and column of a byte offset, both from 1; the column counts characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// Byte offset of a line and column, both from 1; the column counts characters.
    #[must_use]
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize = self
            .text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let rest = &self.text[start.min(self.text.len())..];
        start
            + rest
                .chars()
                .take(column.saturating_sub(1))
                .map(char::len_utf8)
                .sum::<usize>()
    }
}

/// A range of bytes in a [`SourceFile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Where something was written: a span of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes within it.
    pub span: Span,
}

impl Place {
    /// `file:line:column`, as editors take it.
    #[must_use]
    pub fn location(&self) -> String {
        let (line, column) = self.file.position(self.span.start);
        format!("{}:{line}:{column}", self.file.path)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The project can be used.
    Warning,
    /// The project cannot be used.
    Error,
}

/// One mistake: what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable number.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// Lower case, no full stop, names in backticks.
    pub message: String,
    /// Where; absent only where no file can be blamed.
    pub place: Option<Place>,
    /// A few words under the caret.
    pub label: Option<String>,
    /// The fix, if one is known.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake without a place yet.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            place: None,
            label: None,
            help: None,
        }
    }

    /// A doubt without a place yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, file: &Arc<SourceFile>, span: Span) -> Self {
        self.place = Some(Place {
            file: Arc::clone(file),
            span,
        });
        self
    }

    /// Adds a few words under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds the fix.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The text shown to people: head, place, the line with a caret, help.
    ///
    /// A span over several lines is shown by its first. An empty span at the very beginning of a file blames the file
    /// as a whole: its path is shown, and no line.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let code = self.code.to_string();
        let message = self.message.replace(['\n', '\r'], " ");
        let title = level.primary_title(message.as_str()).id(code.as_str());
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = match &self.place {
            Some(place) if place.span.end > 0 => {
                let marked = place.marked();
                let mark = AnnotationKind::Primary.span(marked.start..marked.end);
                let mark = match &self.label {
                    Some(label) => mark.label(label.as_str()),
                    None => mark,
                };
                let shown = without_secrets(&place.file.text);
                let snippet = Snippet::source(shown.as_str())
                    .path(place.file.path.as_str())
                    .annotation(mark);
                indented(&renderer.render(&[title.element(snippet)]))
            }
            Some(place) => {
                let head = renderer.render(&[Group::with_title(title)]);
                format!("{head}\n  --> {}", place.file.path)
            }
            None => renderer.render(&[Group::with_title(title)]),
        };
        if let Some(help) = &self.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        text
    }
}

impl Place {
    /// What to underline: the span's part of its first line, on whole characters.
    fn marked(&self) -> Span {
        let text = &self.file.text;
        let floor = |mut offset: usize| {
            offset = offset.min(text.len());
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            offset
        };
        let start = floor(self.span.start);
        let end = floor(self.span.end).max(start);
        let line = text[start..end].lines().next().unwrap_or_default();
        Span {
            start,
            end: start + line.trim_end().len(),
        }
    }
}

/// The text with every address of the web cut to its host, and whatever else is written as `webhook`, byte for byte: both may
/// be secrets.
fn without_secrets(text: &str) -> String {
    const WEBHOOK: &str = "webhook:";
    let mut text = text.to_string();
    let mut from = 0;
    while let Some(at) = text[from..].find(WEBHOOK) {
        let start = from + at + WEBHOOK.len();
        let value = text[start..].trim_start_matches([' ', '"', '\'']);
        let length = value.find(ends_address).unwrap_or(value.len());
        let begin = text.len() - value.len();
        if !["env:", "http://", "https://"]
            .iter()
            .any(|known| value.starts_with(known))
        {
            text.replace_range(begin..begin + length, &"*".repeat(length));
        }
        from = begin + length;
    }
    without_paths(&text)
}

/// Of a store's address whatever stands before a password, and what follows `?`; the container of an Azure URL stays.
fn without_keys(address: &str) -> String {
    let query = address.find(['?', '#']).unwrap_or(address.len());
    let host = address.find('/').unwrap_or(address.len());
    let user = address[..host].rfind('@').filter(|at| {
        address[..*at].contains(':') || !address[*at..host].contains(".core.windows.net")
    });
    let user = user.unwrap_or(0).min(query);
    format!(
        "{}{}{}",
        "*".repeat(user),
        &address[user..query],
        "*".repeat(address.len() - query)
    )
}

fn ends_address(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '}' | ']')
}

fn without_paths(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(ends_address).unwrap_or(after.len());
        let (address, next) = after.split_at(end);
        if before.ends_with("https://") || before.ends_with("http://") {
            let host = address.find('/').unwrap_or(address.len());
            let user = address[..host].rfind('@').map_or(0, |at| at + 1);
            shown.push_str(&"*".repeat(user));
            shown.push_str(&address[user..host]);
            shown.push_str(&"*".repeat(address.len() - host));
        } else {
            shown.push_str(&without_keys(address));
        }
        rest = next;
    }
    shown.push_str(rest);
    shown
}

/// One more column of margin for everything below the head, so that numbers stand clear of the edge.
fn indented(report: &str) -> String {
    report.replace('\n', "\n ")
}

/// The nearest of `candidates` to `word`, if near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// A text that others chose (a file's name, a column's), so that it stays on its line and steers no terminal.
#[must_use]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match steers(c) {
        true => c.escape_debug().to_string(),
        false => c.to_string(),
    });
    Cow::Owned(shown.collect())
}

/// So many paths are named in a message; the rest is counted.
const NAMED: usize = 5;

/// Paths that others chose, in a message: `a.csv, b.csv and 7 more`.
pub(crate) fn some_of<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    let mut paths = paths.into_iter();
    let named: Vec<Cow<'_, str>> = paths.by_ref().take(NAMED).map(printable).collect();
    let named = named.join(", ");
    match paths.count() {
        0 => named,
        n => format!("{named} and {n} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_paths_some_are_named() {
        assert_eq!(some_of(["a.csv", "b\n.csv"]), "a.csv, b\\n.csv");
        let many = ["1", "2", "3", "4", "5", "6", "7"];
        assert_eq!(some_of(many), "1, 2, 3, 4, 5 and 2 more");
    }

    #[test]
    fn what_others_chose_stays_on_its_line_and_steers_no_terminal() {
        assert_eq!(printable("Kundnr å"), "Kundnr å");
        assert_eq!(
            printable("a\nb\u{1b}[2J\u{202e}c\0"),
            "a\\nb\\u{1b}[2J\\u{202e}c\\0"
        );
    }

    fn rendered(text: &str, start: usize, end: usize) -> String {
        let file = Arc::new(SourceFile {
            path: "schemas/gold/orders.yaml".into(),
            text: text.into(),
        });
        Diagnostic::error(Code(107), "unknown key `materialised`")
            .at(&file, Span { start, end })
            .help("did you mean `materialized`?")
            .render(false)
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_a_caret_and_the_fix() {
        let text = "description: Orders.\ngrain: one row per order\nmaterialised: table\n";
        let start = text.find("materialised").unwrap();
        assert_eq!(
            rendered(text, start, start + 12),
            "\
error[K0107]: unknown key `materialised`
  --> schemas/gold/orders.yaml:3:1
   |
 3 | materialised: table
   | ^^^^^^^^^^^^
help: did you mean `materialized`?"
        );
    }

    #[test]
    fn the_gutter_widens_with_the_line_number() {
        let text = format!("{}x: 1\n", "#\n".repeat(99));
        assert!(rendered(&text, 198, 199).contains(
            "\n    --> schemas/gold/orders.yaml:100:1\n     |\n 100 | x: 1\n     | ^\nhelp"
        ));
    }

    #[test]
    fn tabs_and_wide_characters_keep_the_caret_below() {
        let tab = rendered("\tab: 1\n", 1, 3);
        assert!(tab.contains("\n 1 |     ab: 1\n   |     ^^\n"), "{tab}");
        let wide = rendered("åä: 日本 x\n", "åä: 日本 ".len(), "åä: 日本 x".len());
        assert!(wide.contains(":1:8\n"), "{wide}");
        assert!(wide.contains("\n   |          ^\n"), "{wide}");
    }

    #[test]
    fn a_span_over_several_lines_is_shown_by_its_first() {
        let text = "a: 1\nb:\n  - c\n  - d\n";
        let shown = rendered(text, 5, text.len());
        assert!(shown.contains("\n 2 | b:\n   | ^^\nhelp"), "{shown}");
    }

    #[test]
    fn empty_spans_and_the_end_of_the_file_have_a_place() {
        let at_end = rendered("a: 1\n", 5, 5);
        assert!(at_end.contains("--> schemas/gold/orders.yaml:"), "{at_end}");
        let beyond = rendered("a: 1", 90, 99);
        assert!(beyond.contains("orders.yaml:1:5\n"), "{beyond}");
        let empty = rendered("a: 1\n", 3, 3);
        assert!(empty.contains("\n 1 | a: 1\n   |    ^\n"), "{empty}");
        let within_a_character = rendered("å\n", 1, 2);
        assert!(
            within_a_character.contains(":1:1\n"),
            "{within_a_character}"
        );
    }

    #[test]
    fn an_empty_span_at_the_beginning_blames_the_whole_file() {
        assert_eq!(
            rendered("a: 1\n", 0, 0),
            "\
error[K0107]: unknown key `materialised`
  --> schemas/gold/orders.yaml
help: did you mean `materialized`?"
        );
    }

    #[test]
    fn the_address_of_a_webhook_is_cut_to_its_host() {
        let text = "notify: {webhook: https://hooks.example.com/services/T0/geheim, onn: failed}\n";
        let start = text.find("onn").unwrap();
        let shown = rendered(text, start, start + 3);
        assert!(shown.contains("https://hooks.example.com*"), "{shown}");
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(
            shown.contains("kilde.yaml") || shown.contains(&format!(":1:{}", start + 1)),
            "{shown}"
        );
        let with_user = without_secrets("https://bot:geheim@example.com s3://bucket/path");
        assert_eq!(with_user, "https://***********example.com s3://bucket/path");
        let of_stores = without_secrets(
            "s3://key:geheim@b/x az://c/x?sig=geheim abfss://c@a.dfs.core.windows.net/x",
        );
        assert_eq!(
            of_stores,
            "s3://**********@b/x az://c/x*********** abfss://c@a.dfs.core.windows.net/x"
        );
    }

    #[test]
    fn windows_line_ends_are_not_shown() {
        let shown = rendered("a: 1\r\nb: 2\r\n", 6, 12);
        assert!(shown.contains("\n 2 | b: 2\n   | ^^^^\nhelp"), "{shown:?}");
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let file = Arc::new(SourceFile {
            path: "a.yaml".into(),
            text: "a: 1\n".into(),
        });
        let diagnostic =
            Diagnostic::error(Code(107), "unknown key `a`").at(&file, Span { start: 0, end: 1 });
        let coloured = diagnostic.render(true);
        let mut plain = String::new();
        let mut escape = false;
        for c in coloured.chars() {
            match c {
                '\u{1b}' => escape = true,
                'm' if escape => escape = false,
                _ if escape => {}
                c => plain.push(c),
            }
        }
        assert_eq!(plain, diagnostic.render(false));
    }

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["materialized", "grain", "key", "tags"];
        assert_eq!(nearest("materialised", words), Some("materialized"));
        assert_eq!(nearest("grian", words), Some("grain"));
        assert_eq!(nearest("description", words), None);
    }
}
