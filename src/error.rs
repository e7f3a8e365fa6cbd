//! Errors by what the user does next.
//!
//! Every failure of kilde is one [`Error`]: a kind (who must act, does a retry help), a message (what), a place (where)
//! and a help line (what to type). The kind alone decides the exit code, so that schedulers can depend on it.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, printable};

/// The result of everything in kilde that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the user does next; one to one with the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The project or the command line is wrong: its author mends it; a retry does not help. Exit code 2.
    Config,
    /// An export cannot be read as declared: its sender or the contract's author acts. Exit code 2.
    Input,
    /// Data or tests failed, nothing was published: the owner of the table acts. Exit code 1.
    Quality,
    /// Another build holds the claim, or fenced this one: a later retry helps. Exit code 75.
    Conflict,
    /// Storage does not answer: a retry helps. Exit code 3.
    Unavailable,
    /// What lies in the lake contradicts itself or was changed by a foreign hand: an operator acts. Exit code 4.
    Corrupt,
    /// A bug in kilde. Exit code 70.
    Internal,
    /// The user or the scheduler stopped the run; nothing was published. Exit code 130.
    Interrupted,
    /// The scheduler ended the run (SIGTERM); nothing was published. Exit code 143.
    Terminated,
}

/// Whether the same command may end well later, and who has to act if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Storage is away, another build is at work, the run was stopped: the same command may end well later.
    Transient,
    /// Exports, tests, or what lies in the lake: someone has to look at data.
    Data,
    /// The project, the command line or the machine: their author has to change something.
    Configuration,
    /// Of kilde.
    Bug,
}

impl ErrorClass {
    /// As logs and summaries write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Data => "data",
            Self::Configuration => "configuration",
            Self::Bug => "bug",
        }
    }

    /// Whether a retry helps, with nothing changed.
    #[must_use]
    pub fn may_pass(self) -> bool {
        self == Self::Transient
    }
}

impl ErrorKind {
    const ALL: [Self; 9] = [
        Self::Quality,
        Self::Config,
        Self::Input,
        Self::Unavailable,
        Self::Corrupt,
        Self::Internal,
        Self::Conflict,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The kind as stored in reports and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Input => "input",
            Self::Quality => "quality",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
            Self::Interrupted | Self::Terminated => "interrupted",
        }
    }

    /// Which of four: what a scheduler needs to know.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Conflict | Self::Unavailable | Self::Interrupted | Self::Terminated => {
                ErrorClass::Transient
            }
            Self::Quality | Self::Input | Self::Corrupt => ErrorClass::Data,
            Self::Config => ErrorClass::Configuration,
            Self::Internal => ErrorClass::Bug,
        }
    }

    /// The kind of that name; `Terminated` goes by the name of `Interrupted`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that a process's exit code tells of; `None` for 0 and for what kilde never ends with. `Config` stands for
    /// `Input` too.
    #[must_use]
    pub fn of_exit_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.exit_code() == code)
    }

    /// The process's exit code, fixed for ever.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Quality => 1,
            Self::Config | Self::Input => 2,
            Self::Unavailable => 3,
            Self::Corrupt => 4,
            Self::Internal => 70,
            Self::Conflict => 75,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// A failure: what, where, and what to do. Never holds a cell value. Clones share their cause: one failure may end several
/// tasks.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    code: Option<Code>,
    message: String,
    location: Option<String>,
    help: Option<String>,
    diagnostics: Vec<Diagnostic>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of the given kind; `message` is lower case, without a full stop, names in backticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            location: None,
            help: None,
            diagnostics: Vec::new(),
            source: None,
        }
    }

    /// Shorthand for [`ErrorKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// Shorthand for [`ErrorKind::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// Shorthand for [`ErrorKind::Quality`].
    pub fn quality(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Quality, message)
    }

    /// Shorthand for [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Shorthand for [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// A project that cannot be used, with every mistake found in it.
    #[must_use]
    pub fn from_diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        let mut error = Self::config(match diagnostics.len() {
            1 => "1 error".to_string(),
            n => format!("{n} errors"),
        });
        error.diagnostics = diagnostics;
        error
    }

    /// The stable number under which `kilde explain` tells more.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Where it happened: `file:line:column`, a table, an object.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(printable(&location.into()).into_owned());
        self
    }

    /// What to do or to type.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do or to type, where the error says so.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The failure underneath; its text is shown as `caused by`.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What the user does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong, without place, cause and help.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The stable number, where there is one.
    pub(crate) fn number(&self) -> Option<Code> {
        self.code
    }

    /// Where it happened, where that is known.
    pub(crate) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The failures underneath, the nearest first.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes
    }

    /// The mistakes of a project, where this error stands for them.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// One line of a list: where and what; cause and help are left to [`Error::render`].
    #[must_use]
    pub fn brief(&self) -> String {
        let (place, message) = match self.diagnostics.first() {
            Some(first) => (
                first.place.as_ref().map(crate::diagnostic::Place::location),
                &first.message,
            ),
            None => (self.location.clone(), &self.message),
        };
        let message = message.replace('\n', " ");
        place.map_or(message.clone(), |place| format!("{place}: {message}"))
    }

    /// The whole error as shown to people, without colour: head, place, cause, help; one item a line.
    #[must_use]
    pub fn render(&self) -> String {
        if !self.diagnostics.is_empty() {
            let texts: Vec<String> = self.diagnostics.iter().map(|d| d.render(false)).collect();
            return texts.join("\n");
        }
        let code = self
            .code
            .map(|code| format!("[{code}]"))
            .unwrap_or_default();
        let mut text = format!("error{code}: {}", self.message);
        if let Some(location) = &self.location {
            text.push_str(&format!("\n  --> {location}"));
        }
        for cause in self.causes() {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
