//! `--log-format json`: every line of stderr is one JSON object, and the last one is the command's summary.
//!
//! ```text
//! {"timestamp": "…Z", "level": "info", "event": "table_finished", "message": "…", …}      what belongs to the event follows
//! {"timestamp": "…Z", "level": "error", "event": "summary", "command": "build", "exit_code": 1, "class": "data", …}
//! ```
//!
//! Holds what the text form holds, and no more: names, places, counts, never a cell.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::style;
use crate::clock::{Clock, Stopwatch, SystemClock};
use crate::diagnostic::{Diagnostic, Severity};
use crate::error::{Error, ErrorKind};
use crate::quality::Outcome;
use crate::run::{RunReport, RunSummary, TableOutcome};

static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Errors and the summary only.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// What the command's summary will say, beside how it ended.
static SUMMARY: Mutex<Option<RunSummary>> = Mutex::new(None);

/// The command under way.
static COMMAND: Mutex<Option<(String, Stopwatch)>> = Mutex::new(None);

/// What every line begins with.
const HEAD: [&str; 4] = ["timestamp", "level", "event", "message"];

/// How much a line matters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Whether stderr is for programs.
pub(super) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Makes it so, for the rest of the process.
pub(super) fn speak_json(quiet: bool) {
    IS_JSON.store(true, Ordering::Relaxed);
    IS_QUIET.store(quiet, Ordering::Relaxed);
}

/// Says which command the summary is of.
pub(super) fn begin(command: &str) {
    let begun = (command.to_string(), Stopwatch::start());
    *COMMAND.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
}

/// Keeps what the summary at the end will say of a run.
pub(super) fn remember(summary: RunSummary) {
    *SUMMARY.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
}

/// The last line: how the command ended. Nothing where stderr is for people.
pub(super) fn finish(exit_code: u8) {
    if !is_json() {
        return;
    }
    let summary = SUMMARY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let begun = COMMAND
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let (command, seconds) = match begun {
        Some((command, watch)) => (Some(command), watch.elapsed().as_secs_f64()),
        None => (None, 0.0),
    };
    let kind = ErrorKind::of_exit_code(exit_code);
    let mut fields = Map::new();
    let message = match &summary {
        Some(summary) => summary.text(),
        None => match kind {
            None => "done".to_string(),
            Some(kind) => format!("failed: {}", kind.class().name()),
        },
    };
    if let Some(Ok(Value::Object(of_run))) = summary.map(serde_json::to_value) {
        fields = of_run;
    }
    fields.insert("command".to_string(), json!(command));
    fields.insert("exit_code".to_string(), json!(exit_code));
    fields.insert(
        "class".to_string(),
        json!(kind.map(|kind| kind.class().name())),
    );
    fields.insert(
        "retry".to_string(),
        json!(kind.is_some_and(|kind| kind.class().may_pass())),
    );
    fields.insert("seconds".to_string(), json!(seconds));
    let level = if exit_code == 0 {
        Level::Info
    } else {
        Level::Error
    };
    write(level, "summary", &message, fields);
}

/// One line, unless only errors are wanted and it is none.
pub(super) fn line(level: Level, event: &str, message: &str, fields: Map<String, Value>) {
    if matches!(level, Level::Error) || !IS_QUIET.load(Ordering::Relaxed) {
        write(level, event, message, fields);
    }
}

/// One line, whole: other threads write theirs before or after it.
fn write(level: Level, event: &str, message: &str, fields: Map<String, Value>) {
    let mut text = object(level.name(), event, message, fields);
    text.push('\n');
    let mut stderr = std::io::stderr().lock();
    let _gone = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// What every line begins with, then its fields; a field never takes the place of one of those.
fn object(level: &str, event: &str, message: &str, fields: Map<String, Value>) -> String {
    let timestamp = SystemClock
        .now()
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let message = anstream::adapter::strip_str(message.trim()).to_string();
    let mut text = format!(
        "{{\"timestamp\":{},\"level\":{},\"event\":{},\"message\":{}",
        json!(timestamp),
        json!(level),
        json!(event),
        json!(message)
    );
    for (name, value) in fields {
        if !HEAD.contains(&name.as_str()) {
            text.push_str(&format!(",{}:{value}", json!(name)));
        }
    }
    text.push('}');
    text
}

/// The fields of a JSON object literal.
pub(super) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// An error, or each mistake that it stands for.
pub(super) fn error(error: &Error) {
    if !error.diagnostics().is_empty() {
        return error.diagnostics().iter().for_each(diagnostic);
    }
    let kind = error.kind();
    let about = json!({
        "code": error.number().map(|code| code.to_string()),
        "kind": kind.name(),
        "class": kind.class().name(),
        "exit_code": kind.exit_code(),
        "at": error.location(),
        "causes": error.causes(),
        "help": error.advice(),
    });
    line(Level::Error, "error", &error.to_string(), fields(about));
}

/// A mistake or a doubt in the project's files.
pub(super) fn diagnostic(diagnostic: &Diagnostic) {
    let level = match diagnostic.severity {
        Severity::Warning => Level::Warn,
        Severity::Error => Level::Error,
    };
    let position = diagnostic.place.as_ref().map(|place| {
        let (line, column) = place.file.position(place.span.start);
        (place.file.path.clone(), line, column)
    });
    let (file, at) = match position {
        // an empty span at the beginning blames the file as a whole
        Some((file, line, column)) => (Some(file), Some((line, column))),
        None => (None, None),
    };
    let about = json!({
        "code": diagnostic.code.to_string(),
        "file": file,
        "line": at.map(|(line, _)| line),
        "column": at.map(|(_, column)| column),
        "label": diagnostic.label,
        "help": diagnostic.help,
    });
    line(level, "diagnostic", &diagnostic.message, fields(about));
}

/// What the report of a build says of tables and tests that somebody should look at.
pub(super) fn report(report: &RunReport) {
    let sources = report.sources.iter().map(|s| (&s.table, &s.outcome));
    let steps = report.steps.iter().map(|s| (&s.table, &s.outcome));
    for (table, outcome) in sources.chain(steps) {
        if let TableOutcome::Failed(failure) = outcome {
            let about = json!({"table": table, "text": failure.text});
            line(Level::Error, "table_failed", &failure.brief, fields(about));
        }
    }
    let exports = report.sources.iter().flat_map(|source| {
        source
            .exports
            .iter()
            .map(move |export| (&source.table, export))
    });
    for (table, export) in exports {
        if let Some(doubt) = &export.doubt {
            let about = json!({"table": table, "export": export.path});
            line(Level::Warn, "export_doubted", doubt, fields(about));
        }
    }
    for export in &report.unreadable {
        let about = json!({"table": export.table, "export": export.path, "byte": export.byte});
        line(
            Level::Warn,
            "export_unreadable",
            &export.reason,
            fields(about),
        );
    }
    for verdict in &report.verdicts {
        let (level, event) = match verdict.outcome {
            Outcome::Passed => continue,
            Outcome::Warned => (Level::Warn, "test_warned"),
            Outcome::Failed => (Level::Error, "test_failed"),
        };
        let about = json!({
            "table": verdict.table,
            "test": verdict.test,
            "failures": verdict.failures,
            "rows": verdict.rows,
            "declared_at": verdict.declared_at,
            "rows_sql": verdict.rows_sql,
        });
        let message = format!("{} {}{}", verdict.table, verdict.test, verdict.failed_by());
        line(level, event, &message, fields(about));
    }
    report.unit_tests.iter().for_each(unit_test);
}

/// How a unit test ended; its rows are those that a person wrote into the project.
pub(super) fn unit_test(test: &crate::run::UnitTestReport) {
    let (level, event) = match test.has_passed() {
        true => (Level::Info, "unit_test_passed"),
        false => (Level::Error, "unit_test_failed"),
    };
    let about = json!({"table": test.table, "test": test.name, "declared_at": test.declared_at});
    line(level, event, &super::test::render(test), fields(about));
}

/// Log lines of the libraries underneath, in the same form.
#[derive(Debug)]
pub(super) struct LogLines;

impl<S, N> FormatEvent<S, N> for LogLines
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let mut found = Fields::default();
        event.record(&mut found);
        let message = match found.0.remove("message") {
            Some(Value::String(text)) => text,
            other => other.map(|value| value.to_string()).unwrap_or_default(),
        };
        let metadata = event.metadata();
        found
            .0
            .insert("target".to_string(), json!(metadata.target()));
        let level = metadata.level().as_str().to_ascii_lowercase();
        writeln!(writer, "{}", object(&level, "log", &message, found.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_string(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_string(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_string(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_string(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_string(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        self.0.insert(field.name().to_string(), json!(text));
    }
}

/// What was said on the command line and cannot be understood: in the form that it asked for, as far as that can be told.
pub(super) fn usage(error: &clap::Error) -> ErrorKind {
    let kind = ErrorKind::Config;
    let text = error.render().to_string();
    let about = json!({
        "kind": kind.name(),
        "class": kind.class().name(),
        "exit_code": kind.exit_code(),
    });
    let message = text.trim_start_matches("error: ").to_string();
    style::note_as(Level::Error, "error", &message, fields(about));
    kind
}

/// Whether a command line that clap refused asked for JSON.
pub(super) fn is_asked_for() -> bool {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let pairs = arguments.windows(2);
    let by_flag = pairs
        .into_iter()
        .any(|pair| pair == ["--log-format", "json"])
        || arguments
            .iter()
            .any(|argument| argument == "--log-format=json");
    by_flag || std::env::var("KILDE_LOG_FORMAT").is_ok_and(|form| form == "json")
}
