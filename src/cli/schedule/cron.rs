//! A crontab.

use super::{Job, Unit, listed, quoted, retried};
use crate::project::Project;

/// One line a job, with its tries.
pub(super) fn units(project: &Project, jobs: &[Job<'_>], program: &str) -> Vec<Unit> {
    let mut text = format!(
        "# `time_zone` of the project; a cron that does not know CRON_TZ (Debian's own) runs in the zone of the machine\n\
         CRON_TZ={}\n",
        project.time_zone
    );
    if let Some(email) = jobs.iter().find_map(Job::email) {
        text.push_str(&format!("MAILTO={email}\n"));
    }
    for job in jobs {
        let words: Vec<String> = job.arguments.iter().map(|word| quoted(word)).collect();
        let command = format!("{} {}", quoted(program), words.join(" "));
        let line = format!(
            "for try in 1 2 3; do {command} --quiet; code=$?; case $code in {}) sleep 600;; *) exit $code;; esac; done; exit $code",
            listed(&retried(), "|")
        );
        // cron takes a percent sign for the end of the line
        text.push_str(&format!(
            "\n# {}; exit codes {} are tried again\n{} {}\n",
            job.title(project),
            listed(&retried(), ", "),
            job.time.plain(),
            line.replace('%', "\\%")
        ));
    }
    vec![Unit {
        name: format!("kilde-{}.cron", project.name.replace('_', "-")),
        text,
    }]
}
