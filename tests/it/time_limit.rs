//! Commands that may not run for ever: a test that hangs says where, instead of stopping every test behind it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

/// How long a command that was told to stop may take to do so.
const GRACE: Duration = Duration::from_secs(10);

/// What a command said and how it ended, as `Command::output`; fails the test if it runs past the limit.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    match within(limit(), command)? {
        Ok(output) => Ok(output),
        Err(report) => panic!("{report}"),
    }
}

/// Waits for a command that a test started itself; fails the test if it runs past the limit.
#[track_caller]
pub(crate) fn wait(child: Child) {
    let process = child.id();
    let ended = end_of(child);
    if ended.recv_timeout(limit()).is_err() {
        let threads = stop(process, &ended);
        panic!("a command did not end in time\n{threads}");
    }
}

/// `KILDE_TEST_LIMIT` in seconds, for what is known to take longer.
fn limit() -> Duration {
    match std::env::var("KILDE_TEST_LIMIT") {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap()),
        Err(_) => LIMIT,
    }
}

/// The inner error is a report of what the command said so far and of what its threads were waiting for.
fn within(limit: Duration, command: &mut Command) -> io::Result<Result<Output, String>> {
    // files, not pipes: what was said can be read while a process that nothing can kill still holds them
    let said = tempfile::tempdir()?;
    let paths = [said.path().join("stdout"), said.path().join("stderr")];
    let child = command
        .stdin(Stdio::null())
        .stdout(File::create(&paths[0])?)
        .stderr(File::create(&paths[1])?)
        .spawn()?;
    let process = child.id();
    let ended = end_of(child);
    let status = ended.recv_timeout(limit);
    let threads = status.is_err().then(|| stop(process, &ended));
    let (stdout, stderr) = (fs::read(&paths[0])?, fs::read(&paths[1])?);
    let Ok(status) = status else {
        return Ok(Err(format!(
            "{command:?} did not end within {limit:?}\nstdout so far:\n{}\nstderr so far:\n{}\nthreads:\n{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr),
            threads.unwrap_or_default(),
        )));
    };
    Ok(Ok(Output {
        status,
        stdout,
        stderr,
    }))
}

/// How the child ended, sent once it has.
fn end_of(mut child: Child) -> Receiver<ExitStatus> {
    let (tell, ended) = channel();
    thread::spawn(move || {
        // nobody listens any more once the limit and the grace have passed
        let _ = tell.send(child.wait().unwrap());
    });
    ended
}

/// Stops a process and returns what its threads were doing: SIGABRT first, for a core where the machine keeps one.
fn stop(process: u32, ended: &Receiver<ExitStatus>) -> String {
    let threads = threads(process);
    for signal in ["-ABRT", "-KILL"] {
        let told = Command::new("kill")
            .args([signal, &process.to_string()])
            .status();
        if told.is_err() || ended.recv_timeout(GRACE).is_ok() {
            break;
        }
    }
    threads
}

/// Name, state and place in the kernel of every thread, where the system shows them (Linux).
fn threads(process: u32) -> String {
    let mut report = String::new();
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let read = |file: &str| read_trimmed(&task.path().join(file));
        let status = read("status");
        let state = status.lines().filter(|line| {
            ["State:", "SigPnd:", "voluntary_ctxt_switches:"]
                .iter()
                .any(|start| line.starts_with(start))
        });
        writeln!(
            report,
            "  {} `{}` wchan={} syscall={} {}",
            task.file_name().display(),
            read("comm"),
            read("wchan"),
            read("syscall"),
            state.collect::<Vec<_>>().join(" ").replace('\t', " "),
        )
        .unwrap();
    }
    report
}

fn read_trimmed(path: &Path) -> String {
    fs::read_to_string(path)
        .map(|text| text.trim().to_string())
        .unwrap_or_else(|_| "?".to_string())
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_hangs_is_stopped_and_reported_with_what_it_said() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo begun; echo doubt >&2; exec sleep 600"]);
    let report = within(Duration::from_millis(500), &mut command)
        .unwrap()
        .unwrap_err();
    for part in [
        "exec sleep 600",
        "begun\n",
        "doubt\n",
        "`sleep`",
        "State: S",
    ] {
        assert!(report.contains(part), "no {part} in {report}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_that_ends_in_time_is_returned_whole() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo begun; echo doubt >&2; exit 3"]);
    let output = within(LIMIT, &mut command).unwrap().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"begun\n");
    assert_eq!(output.stderr, b"doubt\n");
}
