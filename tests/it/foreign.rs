//! Readers that know nothing of kilde, in a virtual environment that this module prepares once and keeps.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::time_limit;

/// The Python of the readers' environment. `None`: python3 is missing here, so the caller skips, loudly; in CI
/// (`KILDE_FOREIGN_READERS=required`) that is a failure.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    or_skip(PYTHON.get_or_init(prepare), "foreign readers")
}

/// Programs of Node that tests start: the stores of `tests/emulators/package.json`. `None` as above.
pub(crate) fn node_modules() -> Option<&'static Path> {
    static MODULES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    or_skip(MODULES.get_or_init(prepare_node), "emulators")
}

fn or_skip(prepared: &'static Result<PathBuf, String>, what: &str) -> Option<&'static Path> {
    match prepared {
        Ok(path) => Some(path),
        Err(reason) => {
            let required = std::env::var("KILDE_FOREIGN_READERS").is_ok_and(|v| v == "required");
            assert!(!required, "{what} are required, but: {reason}");
            skipped(&format!("{what} cannot run here: {reason}"));
            None
        }
    }
}

fn prepare_node() -> Result<PathBuf, String> {
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulators/package.json");
    let (folder, ready) = cache("emulators", &wanted)?;
    if !ready.exists() {
        std::fs::copy(&wanted, folder.join("package.json")).map_err(|error| error.to_string())?;
        run(Command::new("npm")
            .args([
                "install",
                "--no-fund",
                "--no-audit",
                "--ignore-scripts",
                "--prefix",
            ])
            .arg(&folder))?;
        std::fs::write(&ready, b"").map_err(|error| error.to_string())?;
    }
    Ok(folder.join("node_modules"))
}

/// A folder that is kept from run to run, named by what is asked of it, and the file that says that it is whole.
fn cache(name: &str, wanted: &Path) -> Result<(PathBuf, PathBuf), String> {
    let wanted = std::fs::read(wanted).map_err(|error| error.to_string())?;
    let home = std::env::var_os("HOME").ok_or("HOME is not set")?;
    let name = format!("{name}-{}", &fingerprint(&wanted)[..12]);
    let folder = Path::new(&home).join(".cache/kilde").join(name);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let ready = folder.join("ready");
    Ok((folder, ready))
}

/// Says that a test did not run, and why.
pub(crate) fn skipped(reason: &str) {
    told(&format!("SKIPPED, NOT TESTED: {reason}"));
}

/// What whoever runs the tests must see, or what was measured. What a macro prints is shown of tests that fail alone.
pub(crate) fn told(what: &str) {
    // nobody can be told that nobody is told
    let _ = writeln!(std::io::stderr().lock(), "{what}");
}

fn prepare() -> Result<PathBuf, String> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/requirements.txt");
    let (folder, ready) = cache("readers", &requirements)?;
    let python = folder.join("bin/python");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(&requirements))?;
        std::fs::write(&ready, b"").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn fingerprint(bytes: &[u8]) -> String {
    // FNV-1a: the name of a cache folder needs no more
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = time_limit::output(command).map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Runs `tests/readers/<script>` with arguments and returns its stdout.
pub(crate) fn script(python: &Path, script: &str, arguments: &[&str]) -> String {
    script_within(python, script, arguments, &[])
}

/// The same, with more variables in its environment.
pub(crate) fn script_within(
    python: &Path,
    script: &str,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/readers")
        .join(script);
    let mut command = Command::new(python);
    command.arg(&script).args(arguments);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = time_limit::output(&mut command).unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
