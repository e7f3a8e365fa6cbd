//! `kilde schedule --print cron|systemd|kubernetes|airflow`: what makes a scheduler run a project's builds when its pipelines
//! say, and try again only where that may help.

mod airflow;
mod cron;
mod cron_time;
mod kubernetes;
mod systemd;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::options::{Options, duration};
use super::style;
use crate::error::{Error, ErrorKind, Result};
use crate::project::{Pipeline, Project};
use cron_time::CronTime;

#[derive(Debug, Args)]
pub(super) struct Schedule {
    /// The scheduler
    #[arg(long, value_enum)]
    print: Scheduler,
    /// How long a build waits for another that holds the lake
    #[arg(long, env = "KILDE_WAIT", value_name = "TIME", value_parser = duration, default_value = "1h")]
    wait: Duration,
    /// For Kubernetes: the image that has kilde in it [default: kilde, in this version]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Write each file into this folder, instead of all to stdout
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scheduler {
    /// Lines for a crontab
    Cron,
    /// A service and a timer
    Systemd,
    /// CronJobs
    Kubernetes,
    /// A DAG in Python
    Airflow,
}

/// A file of a scheduler.
struct Unit {
    name: String,
    text: String,
}

/// Everything that is to run at one time.
struct Job<'a> {
    /// Of the project, and where it has several, of the first pipeline: `shop`, `shop-crm`.
    name: String,
    /// As the pipelines write it.
    written: &'a str,
    time: CronTime,
    pipelines: Vec<&'a Pipeline>,
    /// What kilde is called with.
    arguments: Vec<String>,
}

/// Exit codes after which the same command may end well later, a person's Ctrl-C aside.
fn retried() -> Vec<u8> {
    codes(|kind| kind.class().may_pass() && kind != ErrorKind::Interrupted)
}

/// Exit codes after which someone has to act first, or has acted.
fn not_retried() -> Vec<u8> {
    codes(|kind| !kind.class().may_pass() || kind == ErrorKind::Interrupted)
}

fn codes(wanted: impl Fn(ErrorKind) -> bool) -> Vec<u8> {
    let all = (1..=u8::MAX).filter(|code| ErrorKind::of_exit_code(*code).is_some_and(&wanted));
    all.collect()
}

/// `3, 75, 143`.
fn listed(codes: &[u8], between: &str) -> String {
    let texts: Vec<String> = codes.iter().map(ToString::to_string).collect();
    texts.join(between)
}

impl Schedule {
    pub(super) fn run(self, options: &Options) -> Result<ExitCode> {
        let project = options.project()?;
        let is_in_image = self.print == Scheduler::Kubernetes;
        let root = match is_in_image {
            true => "/project".to_string(),
            false => project.root.display().to_string(),
        };
        let jobs = jobs(&project, self.print, &self.arguments(&project, &root))?;
        let units = match self.print {
            Scheduler::Cron => cron::units(&project, &jobs, &program()?),
            Scheduler::Systemd => systemd::units(&project, &jobs, &program()?),
            Scheduler::Kubernetes => {
                let image = self.image.clone();
                let image = image.unwrap_or(format!("kilde:{}", env!("CARGO_PKG_VERSION")));
                kubernetes::units(&project, &jobs, &image)
            }
            Scheduler::Airflow => airflow::units(&project, &jobs, &program()?),
        };
        match &self.into {
            None => {
                let texts: Vec<String> = units
                    .iter()
                    .map(|unit| format!("# {}\n{}", unit.name, unit.text))
                    .collect();
                let between = if is_in_image { "---\n" } else { "\n" };
                style::out(&texts.join(between));
            }
            Some(folder) => {
                for unit in &units {
                    let path = folder.join(&unit.name);
                    std::fs::create_dir_all(folder)
                        .and_then(|()| std::fs::write(&path, &unit.text))
                        .map_err(|error| {
                            Error::config("this file cannot be written")
                                .at(path.display().to_string())
                                .caused_by(error)
                        })?;
                    style::told(&format!("{}\n", path.display()));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Of every build, whatever it selects.
    fn arguments(&self, project: &Project, root: &str) -> Vec<String> {
        let mut arguments = vec![
            "build".to_string(),
            "--project-dir".to_string(),
            root.to_string(),
        ];
        if let Some(target) = &project.target {
            arguments.extend(["--target".to_string(), target.clone()]);
        }
        arguments.extend(["--wait".to_string(), format!("{}s", self.wait.as_secs())]);
        arguments
    }
}

/// This program, by the path under which it was found: schedulers have a search path of their own.
fn program() -> Result<String> {
    let path = std::env::current_exe()
        .map_err(|error| Error::internal("this program has no path").caused_by(error))?;
    Ok(path.display().to_string())
}

/// One job for each time; pipelines that run at the same time are one build and one release.
///
/// # Errors
/// `Config` where no pipeline says when, or one says what the scheduler has no words for.
fn jobs<'a>(
    project: &'a Project,
    scheduler: Scheduler,
    arguments: &[String],
) -> Result<Vec<Job<'a>>> {
    let mut by_time: BTreeMap<&str, Vec<&Pipeline>> = BTreeMap::new();
    for pipeline in &project.pipelines {
        if let Some(schedule) = &pipeline.schedule {
            by_time.entry(schedule.as_str()).or_default().push(pipeline);
        }
    }
    if by_time.is_empty() {
        return Err(Error::config("no pipeline says when it is to run")
            .help("write `schedule: \"0 2 * * *\"` into a file of pipelines/: 02:00 each night, in `time_zone`"));
    }
    let is_all = by_time.len() == 1 && project.pipelines.iter().all(|p| p.schedule.is_some());
    let mut jobs = Vec::new();
    for (written, pipelines) in by_time {
        let Some(first) = pipelines.first() else {
            continue;
        };
        let time = CronTime::parse(written).map_err(|unusual| {
            Error::config(format!(
                "`{written}`, the schedule of pipeline `{}`, has `{unusual}`, which {} has no word for",
                first.name,
                scheduler.words(),
            ))
            .at(format!("pipelines/{}.yaml", first.name))
            .help("write minute, hour, day, month and weekday with numbers, names, `*`, `,`, `-` and `/`")
        })?;
        let mut arguments = arguments.to_vec();
        let mut name = project.name.clone();
        if !is_all {
            name = format!("{name}-{}", first.name);
            arguments.push("--select".to_string());
            arguments.extend(pipelines.iter().map(|p| format!("pipeline:{}", p.name)));
        }
        jobs.push(Job {
            // names of units and of Kubernetes' objects
            name: name.replace('_', "-"),
            written,
            time,
            pipelines,
            arguments,
        });
    }
    Ok(jobs)
}

impl Scheduler {
    fn words(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Systemd => "a systemd timer",
            Self::Kubernetes => "a CronJob",
            Self::Airflow => "Airflow",
        }
    }
}

impl Job<'_> {
    /// `crm, shop: 0 2 * * * in Europe/Stockholm`.
    fn title(&self, project: &Project) -> String {
        let names: Vec<&str> = self.pipelines.iter().map(|p| p.name.as_str()).collect();
        format!(
            "{}: {} in {}",
            names.join(", "),
            self.written,
            project.time_zone
        )
    }

    /// Where to write to those who answer for it.
    fn email(&self) -> Option<&str> {
        let owners = self.pipelines.iter().filter_map(|p| p.owner.as_ref());
        owners.filter_map(|owner| owner.email.as_deref()).next()
    }
}

/// A word as a shell takes it whole.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
