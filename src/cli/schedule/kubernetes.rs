//! A CronJob for each job.

use serde_json::json;

use super::{Job, Unit, listed, not_retried, retried};
use crate::project::Project;

pub(super) fn units(project: &Project, jobs: &[Job<'_>], image: &str) -> Vec<Unit> {
    let units = jobs.iter().map(|job| Unit {
        name: format!("kilde-{}.yaml", job.name),
        text: cron_job(project, job, image),
    });
    units.collect()
}

fn cron_job(project: &Project, job: &Job<'_>, image: &str) -> String {
    let instance = project.name.replace('_', "-");
    let arguments: String = job
        .arguments
        .iter()
        .map(|word| format!("                - {}\n", json!(word)))
        .collect();
    format!(
        r#"# {title}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: kilde, app.kubernetes.io/instance: {instance}}}
spec:
  schedule: "{schedule}"
  timeZone: {zone}
  # a build that runs late is waited for, not joined
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # what may pass ({retried}) is tried three times more; all else waits for a person
      backoffLimit: 3
      podFailurePolicy:
        rules:
          # a node that is drained is no failure of the build
          - action: Ignore
            onPodConditions:
              - {{type: DisruptionTarget, status: "True"}}
          - action: FailJob
            onExitCodes: {{containerName: kilde, operator: In, values: [{final_codes}]}}
      template:
        metadata:
          labels: {{app.kubernetes.io/name: kilde, app.kubernetes.io/instance: {instance}}}
        spec:
          restartPolicy: Never
          # a build that is told to stop gives the lake back first
          terminationGracePeriodSeconds: 60
          containers:
            - name: kilde
              image: {image}
              args:
{arguments}              env:
                - {{name: KILDE_LOG_FORMAT, value: json}}
                # what cannot be written is a warning: a project that is mounted read-only wants another folder
                - {{name: KILDE_TARGET_PATH, value: /tmp/target}}
              volumeMounts:
                - {{name: project, mountPath: /project}}
                - {{name: scratch, mountPath: /tmp}}
          volumes:
            - name: project
              persistentVolumeClaim: {{claimName: kilde-{instance}}}
            - name: scratch
              emptyDir: {{}}
"#,
        title = job.title(project),
        name = object_name(&job.name),
        schedule = job.time.plain(),
        zone = project.time_zone,
        retried = listed(&retried(), ", "),
        final_codes = listed(&not_retried(), ", "),
        image = json!(image),
    )
}

/// At most 52 characters: the jobs' names get eleven more.
fn object_name(job: &str) -> String {
    let name: String = format!("kilde-{job}").chars().take(52).collect();
    name.trim_end_matches('-').to_string()
}
