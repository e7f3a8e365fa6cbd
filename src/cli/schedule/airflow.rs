//! A DAG file.

use serde_json::json;

use super::{Job, Unit, listed, retried};
use crate::project::Project;

/// One file, a DAG for each job; for Airflow 2.9 and later.
pub(super) fn units(project: &Project, jobs: &[Job<'_>], program: &str) -> Vec<Unit> {
    let mut text = format!(
        r#""""Builds of kilde's project {name}. Made by `kilde schedule --print airflow`; make it again when a schedule changes."""
import subprocess
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:  # Airflow 2, and the first ones of Airflow 3
    from airflow import DAG
    from airflow.decorators import task
    from airflow.exceptions import AirflowException, AirflowFailException

# exit codes of what may pass; after any other, someone has to act first
RETRIED = {{{retried}}}


def build(command):
    """Runs kilde; a task that is ended ends its build, which gives the lake back."""
    process = subprocess.Popen(command)
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code in RETRIED:
        raise AirflowException(f"kilde ended with {{code}}: to be tried again")
    if code != 0:
        raise AirflowFailException(f"kilde ended with {{code}}: its log says what to do")
"#,
        name = project.name,
        retried = listed(&retried(), ", "),
    );
    for job in jobs {
        let owner = job
            .pipelines
            .iter()
            .find_map(|pipeline| pipeline.owner.as_ref());
        let owner = owner.map_or("kilde", |owner| owner.name.as_str());
        let mut tags: Vec<&str> = vec!["kilde"];
        for pipeline in &job.pipelines {
            tags.extend(pipeline.tags.iter().map(String::as_str));
        }
        tags.sort_unstable();
        tags.dedup();
        let mut command = vec![program];
        command.extend(job.arguments.iter().map(String::as_str));
        text.push_str(&format!(
            r#"

# {title}
with DAG(
    dag_id={id},
    schedule={schedule},
    start_date=pendulum.datetime(2026, 1, 1, tz={zone}),
    catchup=False,
    max_active_runs=1,
    default_args={{"owner": {owner}, "retries": 3, "retry_delay": timedelta(minutes=10)}},
    tags={tags},
):
    task(build, task_id="build")({command})
"#,
            title = job.title(project),
            id = json!(format!("kilde-{}", job.name)),
            schedule = json!(job.time.plain()),
            zone = json!(project.time_zone.to_string()),
            owner = json!(owner),
            tags = json!(tags),
            command = json!(command),
        ));
    }
    vec![Unit {
        name: format!("kilde_{}.py", project.name),
        text,
    }]
}
