//! The flags that every command takes, each also as `KILDE_…`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};

use super::log;
use crate::catalog::Catalog;
use crate::clock::SystemClock;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::parallel::STACK_BYTES;
use crate::plan::Selection;
use crate::project::{Period, Project, Variables, instant, local_instant};
use crate::run::{BuildRequest, Resources, Runner, Stop};

#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Folder of kilde.yaml, or any folder below it
    #[arg(
        long,
        global = true,
        env = "KILDE_PROJECT_DIR",
        value_name = "DIR",
        default_value = "."
    )]
    pub(super) project_dir: PathBuf,
    /// Target of kilde.yaml that overrides raw, lake and vars
    #[arg(short, long, global = true, env = "KILDE_TARGET")]
    pub(super) target: Option<String>,
    /// Variables that override those of kilde.yaml
    #[arg(
        long,
        global = true,
        env = "KILDE_VARS",
        value_name = "NAME=TEXT",
        value_delimiter = ','
    )]
    pub(super) vars: Vec<String>,
    /// Threads to use [default: one per core]
    #[arg(long, global = true, env = "KILDE_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// Memory for queries, such as 2GB [default: 60 % of what the machine has]
    #[arg(long, global = true, env = "KILDE_MEMORY_LIMIT", value_name = "SIZE", value_parser = size)]
    pub(super) memory_limit: Option<u64>,
    /// Folder for data that does not fit into memory [default: the system's temporary folder]
    #[arg(long, global = true, env = "KILDE_SPILL_DIR", value_name = "DIR")]
    pub(super) spill_dir: Option<PathBuf>,
    /// Disk space for such data, such as 100GB
    #[arg(long, global = true, env = "KILDE_SPILL_LIMIT", value_name = "SIZE", value_parser = size)]
    pub(super) spill_limit: Option<u64>,
    /// Form of what is said on stderr: `json` makes each line an object, a summary the last; KILDE_LOG (such as `info`) adds log lines
    #[arg(
        long,
        global = true,
        env = "KILDE_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub(super) log_format: LogFormat,
    /// Folder for manifest.json and run_results.json in dbt's shapes [default: .kilde/target in the project]
    #[arg(long, global = true, env = "KILDE_TARGET_PATH", value_name = "DIR")]
    pub(super) target_path: Option<PathBuf>,
    /// Print errors only
    #[arg(short, long, global = true, env = "KILDE_QUIET")]
    pub(super) quiet: bool,
    /// The wish from outside that the command ends.
    #[arg(skip)]
    pub(super) stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Which tables a command speaks of.
#[derive(Clone, Debug, Args)]
pub(super) struct SelectionOptions {
    /// Tables to take, in dbt's grammar: gold.customers+ tag:nightly state:modified
    #[arg(short, long, env = "KILDE_SELECT", value_name = "SELECTION", num_args = 1..)]
    pub(super) select: Vec<String>,
    /// Tables to leave out, in the same grammar
    #[arg(long, env = "KILDE_EXCLUDE", value_name = "SELECTION", num_args = 1..)]
    pub(super) exclude: Vec<String>,
    /// Rebuild the selected tables even where nothing changed
    #[arg(short, long, env = "KILDE_FULL_REFRESH")]
    pub(super) full_refresh: bool,
    /// Train another model for the match step that makes this table of ids; `kilde match train` shows beforehand what would
    /// change
    #[arg(
        long,
        env = "KILDE_RETRAIN",
        value_name = "TABLE",
        value_delimiter = ','
    )]
    pub(super) retrain: Vec<String>,
    /// Read every export that is known to see whether its content changed, whatever its size and times say
    #[arg(long, env = "KILDE_VERIFY_EXPORTS")]
    pub(super) verify_exports: bool,
    /// Date or time the tables speak of (`$as_of`) [default: the midnight that began today]
    #[arg(long, env = "KILDE_AS_OF", value_name = "TIME")]
    pub(super) as_of: Option<String>,
}

/// What is done while another run holds the lake.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct WaitOptions {
    /// Wait so long, such as 10m, while another run holds the lake [default: exit with 75 at once]
    #[arg(long, env = "KILDE_WAIT", value_name = "TIME", value_parser = duration)]
    pub(super) wait: Option<Duration>,
}

impl WaitOptions {
    pub(super) fn time(self) -> Duration {
        self.wait.unwrap_or_default()
    }
}

impl SelectionOptions {
    /// What is asked of a build or a plan.
    pub(super) fn request(&self, runner: &Runner) -> Result<BuildRequest> {
        let mut selection = Selection::parse(&self.select, &self.exclude)?;
        selection.full_refresh = self.full_refresh;
        let retrained = self.retrain.iter();
        let retrained = retrained.map(|name| matched(&runner.project, name));
        selection.retrain = retrained.collect::<Result<_>>()?;
        let as_of = as_of(self.as_of.as_deref(), runner)?;
        Ok(BuildRequest::of(selection, as_of))
    }
}

/// Whether a command answers in JSON: `--json`, or `--format json`, which two of them took first and still take.
#[derive(Debug, Args)]
pub(super) struct JsonOptions {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
    #[arg(long, value_enum, hide = true, conflicts_with = "json")]
    format: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

impl JsonOptions {
    pub(super) fn is_asked(&self) -> bool {
        self.json || self.format == Some(Form::Json)
    }
}

/// A command whose switches take from the environment what people write there: `1`, `yes` and `on` beside `true`.
pub(super) fn switches(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        _ => arg,
    });
    command.mut_subcommands(switches)
}

/// The table of ids that a name is of.
fn matched(project: &Project, name: &str) -> Result<TableName> {
    let table = project.table(name)?;
    if let Some(matching) = project.matches.get(&table) {
        return match &matching.model {
            None => Ok(table),
            Some(pinned) => Err(Error::config(format!(
                "`{table}` uses the model of `{}`: a build trains no other",
                pinned.path
            ))
            .code(Code(437))
            .help(format!(
                "`kilde match train {table} --write {}` writes another there; without `model:` builds train their own",
                pinned.path
            ))),
        };
    }
    Err(
        Error::config(format!("`{table}` is not made by a match step"))
            .code(Code(436))
            .help("name the table of ids, which stands behind `table:` in `- match:`"),
    )
}

impl Options {
    /// The project of `--project-dir`: the nearest kilde.yaml there or above.
    pub(super) fn project(&self) -> Result<Project> {
        Project::load(&self.root()?, &self.variables()?)
    }

    /// The same, models that are not there yet allowed: for the command that trains them.
    pub(super) fn untrained_project(&self) -> Result<Project> {
        Project::load_untrained(&self.root()?, &self.variables()?)
    }

    /// The same, steps that still lack their contract allowed: for commands that help to write them.
    pub(super) fn draft_project(&self) -> Result<Project> {
        Project::load_drafts(&self.root()?, &self.variables()?)
    }

    fn root(&self) -> Result<PathBuf> {
        let start = std::path::absolute(&self.project_dir).map_err(|error| {
            Error::config(format!("`{}` is no folder", self.project_dir.display())).caused_by(error)
        })?;
        let root = start
            .ancestors()
            .find(|folder| folder.join("kilde.yaml").is_file());
        root.map(std::path::Path::to_path_buf).ok_or_else(|| {
            Error::config("no kilde.yaml here or in any folder above")
                .at(start.display().to_string())
                .help("run kilde inside a project, or name one with --project-dir")
        })
    }

    fn variables(&self) -> Result<Variables> {
        let mut vars = BTreeMap::new();
        for pair in &self.vars {
            let (name, text) = pair.split_once('=').ok_or_else(|| {
                Error::config(format!("`{pair}` is not a variable")).help("write --vars name=text")
            })?;
            vars.insert(name.trim().to_string(), text.to_string());
        }
        Ok(Variables {
            target: self.target.clone(),
            vars,
        })
    }

    /// What changes the lake, by the clock of this machine.
    pub(super) fn runner(&self, project: &Arc<Project>) -> Result<Runner> {
        let resources = Resources {
            threads: self.threads(),
            memory_limit: self.memory_limit,
            spill_dir: self.spill_dir.clone(),
            spill_limit: self.spill_limit,
        };
        let runner = Runner::new(Arc::clone(project), Arc::new(SystemClock), resources)?;
        let folder = match &self.target_path {
            Some(folder) => folder.clone(),
            None => project.root.join(".kilde/target"),
        };
        Ok(runner.until(self.stop.clone()).describing_into(folder))
    }

    /// What reads the lake; `now()` answers with the midnight that began today.
    pub(super) fn catalog(&self, project: &Arc<Project>) -> Result<Catalog> {
        let runner = self.runner(project)?;
        runner.readable(as_of(None, &runner)?)
    }

    /// Threads to use: as asked, else one per core.
    pub(super) fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(2, usize::from),
        }
    }

    /// The one asynchronous runtime of the process.
    pub(super) fn runtime(&self) -> Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads())
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| Error::unavailable("cannot start threads").caused_by(error))
    }

    /// Sends log lines to stderr: warnings by default, what `KILDE_LOG` says otherwise.
    pub(super) fn start_logging(&self) -> Result<()> {
        let wanted = std::env::var("KILDE_LOG").unwrap_or_else(|_| LOGGED.to_string());
        let filter = tracing_subscriber::EnvFilter::try_new(&wanted).map_err(|error| {
            Error::config(format!("KILDE_LOG `{wanted}` is not a log filter")).caused_by(error)
        })?;
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => lines.init(),
            LogFormat::Json => lines.event_format(log::LogLines).init(),
        }
        Ok(())
    }
}

/// What is logged unless somebody asks for more. What the Delta kernel finds wrong with a table comes back as an error, and is told
/// as one.
const LOGGED: &str = "error,buoyant_kernel=off,delta_kernel=off";

/// `--as-of` in the project's zone: a date means its midnight, a time with an offset is itself; without one, today's midnight.
pub(super) fn as_of(text: Option<&str>, runner: &Runner) -> Result<DateTime<Utc>> {
    let zone = runner.project.time_zone;
    match text {
        None => {
            let today = runner.clock.now().with_timezone(&zone).date_naive();
            local_instant(today.and_time(chrono::NaiveTime::MIN), zone)
                .ok_or_else(|| Error::config(format!("{today} does not exist in {zone}")))
        }
        Some(text) => instant(text, zone).ok_or_else(|| {
            Error::config(format!("--as-of `{text}` is neither a date nor a time"))
                .help("write 2026-03-01 or 2026-03-01T06:00")
        }),
    }
}

/// `30m`, `2h`, `90 s`.
pub(super) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = text[..text.len() - unit.len()].parse().ok();
    let period = count.and_then(|count| Period::new(count, unit.trim(), text));
    let seconds = period.and_then(|period| period.seconds());
    let seconds = seconds.ok_or("write a time such as 90s, 30m or 2h")?;
    Ok(Duration::from_secs(seconds))
}

/// `2GB`, `512MB`, `1GiB`, or bytes.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text
        .trim()
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .trim_end();
    let unit = match text.trim()[digits.len()..]
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "b" => 1,
        "kb" | "k" => 1_000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "tb" | "t" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1_u64 << 40,
        other => {
            return Err(format!(
                "`{other}` is not a unit of size: write 512MB or 2GB"
            ));
        }
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| "write a size such as 512MB or 2GB".to_string())?;
    if number <= 0.0 {
        return Err("a size is above 0".to_string());
    }
    Ok((number * unit as f64) as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, size};

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1_800)));
        assert_eq!(duration("90 seconds"), Ok(Duration::from_secs(90)));
        assert!(duration("30").is_err());
        assert!(duration("1 month").is_err());
    }

    #[test]
    fn sizes_take_decimal_and_binary_units() {
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("1.5 MiB"), Ok(1_572_864));
        assert_eq!(size("64000000"), Ok(64_000_000));
        assert!(size("2 parsecs").is_err());
        assert!(size("0").is_err());
    }
}
