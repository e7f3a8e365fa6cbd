//! Mistakes in a user's files: stable code, place, the line with a caret, and the fix.
//!
//! In: a file's text and a byte span. Out: a [`Diagnostic`] that renders as the compiler of a programming language
//! would. This module knows nothing of YAML, SQL or any other module.

pub(crate) mod explanation;

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
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let code = self.code.to_string();
        let title = level.primary_title(self.message.as_str()).id(code.as_str());
        let mut group = match &self.place {
            None => Group::with_title(title),
            Some(place) => {
                let end = place
                    .span
                    .end
                    .max(place.span.start)
                    .min(place.file.text.len());
                let mark = AnnotationKind::Primary.span(place.span.start.min(end)..end);
                let mark = match &self.label {
                    Some(label) => mark.label(label.as_str()),
                    None => mark,
                };
                title.element(
                    Snippet::source(place.file.text.as_str())
                        .path(place.file.path.as_str())
                        .annotation(mark),
                )
            }
        };
        if let (None, Some(_)) = (&self.place, &self.help) {
            group = group.element(annotate_snippets::Padding);
        }
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = renderer.render(&[group]).to_string();
        // the snippet's trailing gutter line says nothing; the help stands alone, as in rustc's short form
        if let Some(help) = &self.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        text
    }
}

/// The nearest of `candidates` to `word`, if near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit.max(2) && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}
