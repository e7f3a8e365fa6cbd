//! A service and a timer for each job.

use super::cron_time::{CronTime, Field};
use super::{Job, Unit, listed, not_retried};
use crate::project::Project;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

pub(super) fn units(project: &Project, jobs: &[Job<'_>], program: &str) -> Vec<Unit> {
    let units = jobs.iter().flat_map(|job| {
        let words: Vec<String> = job.arguments.iter().map(|word| escaped(word)).collect();
        let service = format!(
            "[Unit]\n\
             Description=kilde build, {}\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             Environment=KILDE_LOG_FORMAT=json\n\
             ExecStart={} {}\n\
             # only what may pass is tried again\n\
             Restart=on-failure\n\
             RestartPreventExitStatus={}\n\
             RestartSec=10min\n\
             # a build that is told to stop gives the lake back first\n\
             TimeoutStopSec=60\n",
            job.title(project).replace('%', "%%"),
            escaped(program),
            words.join(" "),
            listed(&not_retried(), " "),
        );
        let times: Vec<String> = calendar(&job.time)
            .iter()
            .map(|time| format!("OnCalendar={time} {}\n", project.time_zone))
            .collect();
        let timer = format!(
            "[Unit]\n\
             Description=kilde build, {}\n\
             \n\
             [Timer]\n\
             {}\
             # a machine that was off builds when it is on again\n\
             Persistent=true\n\
             \n\
             [Install]\n\
             WantedBy=timers.target\n",
            job.title(project).replace('%', "%%"),
            times.concat(),
        );
        [
            Unit {
                name: format!("kilde-{}.service", job.name),
                text: service,
            },
            Unit {
                name: format!("kilde-{}.timer", job.name),
                text: timer,
            },
        ]
    });
    units.collect()
}

/// cron takes a day of the month or a weekday where both are told; a calendar event takes both, so there are two.
fn calendar(time: &CronTime) -> Vec<String> {
    let two = |value: u8| format!("{value:02}");
    let of = |field: &Field| match field.is_all {
        true => "*".to_string(),
        false => field.listed(two),
    };
    let clock = format!("{}:{}:00", of(&time.hours), of(&time.minutes));
    let event = |is_by_day: bool, is_by_weekday: bool| {
        let weekday = |value: u8| WEEKDAYS[usize::from(value) % 7].to_string();
        let weekdays = match is_by_weekday && !time.weekdays.is_all {
            true => format!("{} ", time.weekdays.listed(weekday)),
            false => String::new(),
        };
        let days = match is_by_day {
            true => of(&time.days),
            false => "*".to_string(),
        };
        format!("{weekdays}*-{}-{days} {clock}", of(&time.months))
    };
    match (time.days.is_open, time.weekdays.is_open) {
        (false, false) => vec![event(true, false), event(false, true)],
        _ => vec![event(true, true)],
    }
}

/// A word of a command as systemd reads it.
fn escaped(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    match word.contains([' ', '\'', '"', '\\', '\t']) {
        true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
        false => word,
    }
}
