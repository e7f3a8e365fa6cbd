//! `kilde schedule`: what cron, systemd, Kubernetes and Airflow are given, and whether those that are here take it.

use std::process::Command;

use crate::foreign::skipped;
use crate::sandbox::Sandbox;
use crate::time_limit;

const CRM: &str = "owner: {name: Customer data, email: customer-data@example.com}
schedule: \"0 2 * * *\"
tags: [nightly]
sources:
  - {table: bronze.people, files: people_*.csv, read: csv}
";
const SHOP: &str = "schedule: \"*/30 6-18 * * mon-fri\"
sources:
  - {table: bronze.orders, files: orders_*.csv, read: csv}
";
const CONTRACT: &str = "description: Something.\ncolumns:\n  - {name: id, data_type: bigint}\n";

fn project(pipelines: &[(&str, &str)]) -> Sandbox {
    let mut files = vec![
        (
            "kilde.yaml",
            "project: nordic_retail\ntime_zone: Europe/Stockholm\nraw: exports/\nlake: lake/\ntargets: {prod: {lake: prod/}}\n",
        ),
        ("schemas/bronze/people.yaml", CONTRACT),
    ];
    files.extend_from_slice(pipelines);
    if pipelines.iter().any(|(path, _)| path.contains("shop")) {
        files.push(("schemas/bronze/orders.yaml", CONTRACT));
    }
    Sandbox::with(&files)
}

/// With what differs from machine to machine replaced.
#[track_caller]
fn printed(project: &Sandbox, arguments: &[&str]) -> String {
    let mut command = vec!["schedule"];
    command.extend(arguments);
    let said = project.kilde(&command).ended(0).stdout;
    let binary =
        std::env::var("KILDE_TEST_BINARY").unwrap_or(env!("CARGO_BIN_EXE_kilde").to_string());
    let binary = std::fs::canonicalize(binary).unwrap();
    let root = std::fs::canonicalize(project.root()).unwrap();
    said.replace(binary.to_str().unwrap(), "/usr/bin/kilde")
        .replace(root.to_str().unwrap(), "/srv/retail")
        .replace(project.root().to_str().unwrap(), "/srv/retail")
        .replace(
            concat!("kilde:", env!("CARGO_PKG_VERSION")),
            "kilde:VERSION",
        )
}

#[test]
fn one_schedule_is_one_build_of_everything_by_cron_or_systemd() {
    let project = project(&[("pipelines/crm.yaml", CRM)]);
    insta::assert_snapshot!(printed(&project, &["--print", "cron"]), @r##"
    # kilde-nordic-retail.cron
    # `time_zone` of the project; a cron that does not know CRON_TZ (Debian's own) runs in the zone of the machine
    CRON_TZ=Europe/Stockholm
    MAILTO=customer-data@example.com

    # crm: 0 2 * * * in Europe/Stockholm; exit codes 3, 75, 143 are tried again
    0 2 * * * for try in 1 2 3; do /usr/bin/kilde build --project-dir /srv/retail --wait 3600s --quiet; code=$?; case $code in 3|75|143) sleep 600;; *) exit $code;; esac; done; exit $code
    "##);
    insta::assert_snapshot!(printed(&project, &["--print", "systemd", "--target", "prod"]), @r##"
    # kilde-nordic-retail.service
    [Unit]
    Description=kilde build, crm: 0 2 * * * in Europe/Stockholm
    Wants=network-online.target
    After=network-online.target

    [Service]
    Type=oneshot
    Environment=KILDE_LOG_FORMAT=json
    ExecStart=/usr/bin/kilde build --project-dir /srv/retail --target prod --wait 3600s
    # only what may pass is tried again
    Restart=on-failure
    RestartPreventExitStatus=1 2 4 70 130
    RestartSec=10min
    # a build that is told to stop gives the lake back first
    TimeoutStopSec=60

    # kilde-nordic-retail.timer
    [Unit]
    Description=kilde build, crm: 0 2 * * * in Europe/Stockholm

    [Timer]
    OnCalendar=*-*-* 02:00:00 Europe/Stockholm
    # a machine that was off builds when it is on again
    Persistent=true

    [Install]
    WantedBy=timers.target
    "##);
}

#[test]
fn one_schedule_is_one_build_of_everything_by_kubernetes_or_airflow() {
    let project = project(&[("pipelines/crm.yaml", CRM)]);
    insta::assert_snapshot!(printed(&project, &["--print", "kubernetes", "--wait", "20m"]), @r##"
    # kilde-nordic-retail.yaml
    # crm: 0 2 * * * in Europe/Stockholm
    apiVersion: batch/v1
    kind: CronJob
    metadata:
      name: kilde-nordic-retail
      labels: {app.kubernetes.io/name: kilde, app.kubernetes.io/instance: nordic-retail}
    spec:
      schedule: "0 2 * * *"
      timeZone: Europe/Stockholm
      # a build that runs late is waited for, not joined
      concurrencyPolicy: Forbid
      startingDeadlineSeconds: 3600
      successfulJobsHistoryLimit: 3
      failedJobsHistoryLimit: 3
      jobTemplate:
        spec:
          # what may pass (3, 75, 143) is tried three times more; all else waits for a person
          backoffLimit: 3
          podFailurePolicy:
            rules:
              # a node that is drained is no failure of the build
              - action: Ignore
                onPodConditions:
                  - {type: DisruptionTarget, status: "True"}
              - action: FailJob
                onExitCodes: {containerName: kilde, operator: In, values: [1, 2, 4, 70, 130]}
          template:
            metadata:
              labels: {app.kubernetes.io/name: kilde, app.kubernetes.io/instance: nordic-retail}
            spec:
              restartPolicy: Never
              # a build that is told to stop gives the lake back first
              terminationGracePeriodSeconds: 60
              containers:
                - name: kilde
                  image: "kilde:VERSION"
                  args:
                    - "build"
                    - "--project-dir"
                    - "/project"
                    - "--wait"
                    - "1200s"
                  env:
                    - {name: KILDE_LOG_FORMAT, value: json}
                    # what cannot be written is a warning: a project that is mounted read-only wants another folder
                    - {name: KILDE_TARGET_PATH, value: /tmp/target}
                  volumeMounts:
                    - {name: project, mountPath: /project}
                    - {name: scratch, mountPath: /tmp}
              volumes:
                - name: project
                  persistentVolumeClaim: {claimName: kilde-nordic-retail}
                - name: scratch
                  emptyDir: {}
    "##);
    insta::assert_snapshot!(printed(&project, &["--print", "airflow"]), @r##"
    # kilde_nordic_retail.py
    """Builds of kilde's project nordic_retail. Made by `kilde schedule --print airflow`; make it again when a schedule changes."""
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
    RETRIED = {3, 75, 143}


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
            raise AirflowException(f"kilde ended with {code}: to be tried again")
        if code != 0:
            raise AirflowFailException(f"kilde ended with {code}: its log says what to do")


    # crm: 0 2 * * * in Europe/Stockholm
    with DAG(
        dag_id="kilde-nordic-retail",
        schedule="0 2 * * *",
        start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Stockholm"),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "Customer data", "retries": 3, "retry_delay": timedelta(minutes=10)},
        tags=["kilde","nightly"],
    ):
        task(build, task_id="build")(["/usr/bin/kilde","build","--project-dir","/srv/retail","--wait","3600s"])
    "##);
}

#[test]
fn each_further_schedule_builds_its_own_pipelines() {
    let project = project(&[("pipelines/crm.yaml", CRM), ("pipelines/shop.yaml", SHOP)]);
    let cron = printed(&project, &["--print", "cron"]);
    assert!(
        cron.contains("\n0,30 6,7,8,9,10,11,12,13,14,15,16,17,18 * * 1,2,3,4,5 for try"),
        "{cron}"
    );
    assert!(
        cron.contains("--select pipeline:shop") && cron.contains("--select pipeline:crm"),
        "{cron}"
    );
    let systemd = printed(&project, &["--print", "systemd"]);
    assert!(systemd.contains("OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 06,07,08,09,10,11,12,13,14,15,16,17,18:00,30:00 Europe/Stockholm\n"), "{systemd}");
    let kubernetes = printed(&project, &["--print", "kubernetes"]);
    assert_eq!(kubernetes.matches("\n---\n").count(), 1, "{kubernetes}");
    assert!(
        kubernetes.contains("  name: kilde-nordic-retail-shop\n"),
        "{kubernetes}"
    );
    let airflow = printed(&project, &["--print", "airflow"]);
    assert_eq!(airflow.matches("with DAG(").count(), 2, "{airflow}");
    // the shell takes the line of the crontab as it is
    let line = cron.lines().find(|line| line.starts_with("0 2")).unwrap();
    let script = line.strip_prefix("0 2 * * * ").unwrap();
    let code = |answer: u8| {
        let script = script
            .replace("/usr/bin/kilde", &format!("(exit {answer}); :"))
            .replace("sleep 600", "true");
        let script = script.replace("; code=$?", &format!("; (exit {answer}); code=$?"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        time_limit::output(&mut shell).unwrap().status.code()
    };
    for answer in [0, 1, 2, 3, 75] {
        assert_eq!(code(answer), Some(i32::from(answer)));
    }
}

#[test]
fn what_a_scheduler_cannot_say_and_a_project_that_says_nothing_are_refused() {
    let unusual = CRM.replace("0 2 * * *", "0 2 L * *");
    let project = project(&[("pipelines/crm.yaml", &unusual)]);
    let said = project.kilde(&["schedule", "--print", "systemd"]).ended(2);
    assert!(said.stderr.contains("`0 2 L * *`, the schedule of pipeline `crm`, has `L`, which a systemd timer has no word for"), "{}", said.stderr);
    project.write(
        "pipelines/crm.yaml",
        CRM.replace("schedule: \"0 2 * * *\"\n", ""),
    );
    let said = project.kilde(&["schedule", "--print", "cron"]).ended(2);
    assert!(
        said.stderr.contains("no pipeline says when it is to run"),
        "{}",
        said.stderr
    );
}

#[test]
fn systemd_takes_its_units() {
    let version = time_limit::output(Command::new("systemd-analyze").arg("--version"));
    if version.is_err() {
        return skipped("systemd-analyze is missing here: units of systemd are not verified");
    }
    let shop = SHOP.replace("*/30 6-18 * * mon-fri", "15 4 13 * fri");
    let project = project(&[("pipelines/crm.yaml", CRM), ("pipelines/shop.yaml", &shop)]);
    project
        .kilde(&["schedule", "--print", "systemd", "--into", "units dir"])
        .ended(0);
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    let mut events = 0;
    for file in std::fs::read_dir(project.path("units dir")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for event in text
            .lines()
            .filter_map(|line| line.strip_prefix("OnCalendar="))
        {
            let mut calendar = Command::new("systemd-analyze");
            calendar.args(["calendar", event]);
            let output = time_limit::output(&mut calendar).unwrap();
            assert!(
                output.status.success(),
                "{event}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            events += 1;
        }
        verify.arg(path);
    }
    // a day of the month or a weekday: two events
    assert_eq!(events, 3);
    let output = time_limit::output(&mut verify).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !said.contains("kilde-"),
        "{said}"
    );
}
