//! The command line: one file per command, rendering only.
//!
//! Results go to stdout, progress and logs to stderr; colours only on a terminal, and never with `NO_COLOR`.

mod adopt;
mod build;
mod check;
mod connect;
mod contract;
mod customer;
mod diff;
mod diff_page;
mod doctor;
mod explain;
mod exports;
mod format;
mod held;
mod init;
mod interrupt;
mod latest;
mod lineage;
mod log;
mod ls;
mod maintain;
mod match_model;
mod match_page;
mod matching;
mod options;
mod overview_page;
mod page;
mod plan;
mod profile;
mod profile_page;
mod progress;
mod query;
mod rejects;
mod release_story;
mod releases;
mod resume;
mod review;
mod review_page;
mod rollback;
mod rows;
mod schedule;
mod schema;
mod show;
mod status;
mod style;
mod test;
mod why;
mod why_match;
mod why_page;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, ErrorKind, Result};
use crate::parallel::STACK_BYTES;
use options::{LogFormat, Options};

/// The files that `kilde init` writes, by path: packed into the binary, read only when asked for.
pub type Scaffold = fn() -> Vec<(String, &'static [u8])>;

/// Raw exports in, one audited release out.
#[derive(Debug, Parser)]
#[command(name = "kilde", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the sample project into a new folder, or one over files that nobody described
    Init(init::Init),
    /// Report every mistake in the project's YAML and SQL; reads no data
    Check(check::Check),
    /// Show what a build would do, and why
    Plan(plan::Plan),
    /// Read new exports, run what is stale, test it, publish one release
    Build(build::Build),
    /// Take over rows that another tool added to the table of an `append` source, as if they had come in an export
    Adopt(adopt::Adopt),
    /// List the tables of the project and of the newest release
    Ls(ls::Ls),
    /// Show what a table's columns are made of, or what is made of one
    Lineage(lineage::Lineage),
    /// Run SQL on one release (or on a failed run's candidates)
    Query(query::Query),
    /// Say why a table is stale or not; why two records are one person or two; how a person was put together
    Why(why::Why),
    /// Show all that a release knows of one person: records, consents, groups, what happened
    Customer(customer::Customer),
    /// Run the unit tests of steps: rows given, rows expected; reads no data
    Test(test::Test),
    /// Run one step in memory on the newest release, and show its rows; writes nothing
    Show(show::Show),
    /// Draft the contract of a step or a seed: columns, types, and what its SQL proves of them
    Contract(contract::Contract),
    /// Print how another tool opens one release: DuckDB, Polars, Power BI
    Connect(connect::Connect),
    /// Show the health of the lake: newest release, last runs, what waits
    Status(status::Status),
    /// List the published releases, or show what one of them changed
    Releases(releases::Releases),
    /// Compare two releases: tables, columns, rows
    Diff(diff::Diff),
    /// Publish an older release again, and pause the lake
    Rollback(rollback::Rollback),
    /// Say what stands in files that nobody described, or in a table: types, keys, joins, personal data
    Profile(profile::Profile),
    /// Judge a match: `match evaluate`
    Match(matching::Match),
    /// Show the pairs of records that a person should decide on; write them as a spreadsheet or a page
    Review(review::Review),
    /// Check what a build needs: rights, conditional put, clock, disk, limits, the lake's state
    Doctor(doctor::Doctor),
    /// Give up releases that are no longer kept, compact small files, give space back
    Maintain(maintain::Maintain),
    /// Let builds publish again after a rollback
    Resume(resume::Resume),
    /// List what came in and what became of it; skip, retract or reload exports
    Exports(exports::Exports),
    /// Show the records that broke their contract, grouped by reason
    Rejects(rejects::Rejects),
    /// Print what makes cron, systemd, Kubernetes or Airflow run the pipelines at their times
    Schedule(schedule::Schedule),
    /// Print the JSON Schema of kilde's YAML files, for editors
    Schema(schema::Schema),
    /// Explain an error code, such as K0107
    Explain(explain::Explain),
}

/// For threads to end in, once the command is done.
const TO_END: Duration = Duration::from_millis(500);

/// Runs the command line of this process; the exit code is [`ErrorKind::exit_code`]'s.
#[must_use]
pub fn main(scaffold: Scaffold) -> ExitCode {
    report_panics_as_bugs();
    style::set_colours();
    let parsed = options::switches(Arguments::command()).try_get_matches();
    let parsed = parsed.and_then(|matches| {
        log::begin(matches.subcommand_name().unwrap_or_default());
        Arguments::from_arg_matches(&matches)
    });
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && log::is_asked_for() => {
            log::speak_json(false);
            return ended(log::usage(&error).exit_code());
        }
        Err(error) => error.exit(),
    };
    if arguments.options.log_format == LogFormat::Json {
        log::speak_json(arguments.options.quiet);
    }
    let started = arguments.options.start_logging();
    match started.and_then(|()| on_a_large_stack(move || run(arguments, scaffold))) {
        Ok(code) if code == ExitCode::SUCCESS => ended(0),
        Ok(code) => {
            let is_code = |number: &u8| code == ExitCode::from(*number);
            ended((0..=u8::MAX).find(is_code).unwrap_or(u8::MAX))
        }
        Err(error) => {
            style::error(&error);
            ended(error.kind().exit_code())
        }
    }
}

fn ended(code: u8) -> ExitCode {
    log::finish(code);
    ExitCode::from(code)
}

/// Planning walks expressions level by level, and the stack that a shell gives is small.
fn on_a_large_stack(work: impl FnOnce() -> Result<ExitCode> + Send + 'static) -> Result<ExitCode> {
    let thread = std::thread::Builder::new()
        .name("kilde".to_string())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .map_err(|error| Error::unavailable("cannot start threads").caused_by(error))?;
    // a panic has ended the process already
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::internal("kilde met a state it believed impossible")))
}

fn run(arguments: Arguments, scaffold: Scaffold) -> Result<ExitCode> {
    let mut options = arguments.options;
    match arguments.command {
        Command::Init(command) if !command.looks_at_files() => {
            return command.run(options.quiet, scaffold);
        }
        Command::Schema(command) => return command.run(),
        Command::Explain(command) => return command.run(),
        Command::Build(_)
        | Command::Adopt(_)
        | Command::Maintain(_)
        | Command::Rollback(_)
        | Command::Resume(_) => {
            options.stop = interrupt::stop_on_signal()?;
        }
        _ => interrupt::end_on_signal()?,
    }
    let runtime = options.runtime()?;
    let code = runtime.block_on(async {
        match arguments.command {
            Command::Check(command) => command.run(&options),
            Command::Plan(command) => command.run(&options).await,
            Command::Build(command) => command.run(&options).await,
            Command::Adopt(command) => command.run(&options).await,
            Command::Ls(command) => command.run(&options).await,
            Command::Lineage(command) => command.run(&options),
            Command::Query(command) => command.run(&options).await,
            Command::Why(command) => command.run(&options).await,
            Command::Customer(command) => command.run(&options).await,
            Command::Test(command) => command.run(&options).await,
            Command::Show(command) => command.run(&options).await,
            Command::Contract(command) => command.run(&options).await,
            Command::Connect(command) => command.run(&options).await,
            Command::Status(command) => command.run(&options).await,
            Command::Releases(command) => command.run(&options).await,
            Command::Diff(command) => command.run(&options).await,
            Command::Rollback(command) => command.run(&options).await,
            Command::Profile(command) => command.run(&options).await,
            Command::Match(command) => command.run(&options).await,
            Command::Review(command) => command.run(&options).await,
            Command::Doctor(command) => command.run(&options).await,
            Command::Maintain(command) => command.run(&options).await,
            Command::Resume(command) => command.run(&options).await,
            Command::Exports(command) => command.run(&options).await,
            Command::Rejects(command) => command.run(&options).await,
            Command::Init(command) => command.run_from(&options).await,
            Command::Schedule(command) => command.run(&options),
            Command::Schema(command) => command.run(),
            Command::Explain(command) => command.run(),
        }
    });
    // joined, not let go: to detach a thread that is just ending is a use after free in glibc (its bug 19951), of which the
    // process then dies. What still works after that time is let go, since it does not end
    // what waited for a task that is dropped with the runtime panics (the Delta reader does): the command has ended, nobody is told
    std::panic::set_hook(Box::new(|_| {}));
    runtime.shutdown_timeout(TO_END);
    code
}

/// A panic is a bug: one sentence and exit code 70, never a backtrace in a user's face.
fn report_panics_as_bugs() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|l| format!(" at {l}"))
            .unwrap_or_default();
        let error = Error::internal(format!("kilde met a state it believed impossible{place}"))
            .help("this is a bug: please report it with the command and the version");
        style::error(&error);
        log::finish(ErrorKind::Internal.exit_code());
        std::process::exit(i32::from(ErrorKind::Internal.exit_code()));
    }));
}
