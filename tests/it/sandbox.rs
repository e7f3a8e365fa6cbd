//! A project in a temporary folder, and the built binary run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use crate::emulator::{Emulator, Kind};
pub(crate) use crate::fuzzing::property::archive::zip;
use crate::time_limit;

/// A folder of its own for one test; gone when the test ends.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    far: Option<Far>,
}

/// Exports and lake lie in an object store.
struct Far {
    store: &'static Emulator,
    /// Below the bucket.
    below: String,
    /// Where the test lays exports: copied to the store before each command.
    exports: PathBuf,
}

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, once sure that it ended with that exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

impl Sandbox {
    pub(crate) fn empty() -> Self {
        Self {
            folder: temporary_folder(),
            far: None,
        }
    }

    /// A project of the files given: path, text.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::empty();
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox
    }

    /// A copy of a project that `make` gives, built and all: it is made once for all tests, and kept under that name.
    pub(crate) fn copied(
        made: &'static OnceLock<PathBuf>,
        name: &str,
        make: impl FnOnce() -> Self,
    ) -> Self {
        let made = made.get_or_init(|| {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            let _ = fs::remove_dir_all(&kept);
            copy_folder(make().root(), &kept);
            kept
        });
        let sandbox = Self::empty();
        copy_folder(made, sandbox.root());
        sandbox
    }

    /// The shipped project; its exports too, where wanted.
    pub(crate) fn shipped(exports: bool) -> Self {
        let sandbox = Self::empty();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(root.join("kilde.yaml"), sandbox.path("kilde.yaml")).unwrap();
        for folder in ["pipelines", "schemas", "seeds", "sql"] {
            copy_folder(&root.join(folder), &sandbox.path(folder));
        }
        if exports {
            copy_folder(&root.join("exports"), &sandbox.path("exports"));
        }
        sandbox
    }

    /// Moves exports and lake into an object store; the project must not have been used yet. What reads the lake here reads a
    /// copy of it.
    pub(crate) fn moved_to(mut self, store: &'static Emulator) -> Self {
        let text = self.read("kilde.yaml");
        let line = |key: &str| {
            let mut lines = text.lines();
            lines.find(|line| line.starts_with(key)).unwrap()
        };
        let (raw, lake) = (line("raw: "), line("lake: "));
        let exports = self.path(raw.trim_start_matches("raw: "));
        let below = self.folder.path().file_name().unwrap().to_str().unwrap();
        let below = below.trim_start_matches('.').to_string();
        let text = text
            .replace(raw, &format!("raw: {}", store.url(&format!("{below}/raw"))))
            .replace(
                lake,
                &format!("lake: {}/", store.url(&format!("{below}/lake"))),
            );
        self.write("kilde.yaml", text);
        self.far = Some(Far {
            store,
            below,
            exports,
        });
        self.deliver();
        self
    }

    /// Where `KILDE_TEST_STORE` says: `s3`, `azure`; here, where it says nothing.
    pub(crate) fn wherever_asked(self) -> Self {
        let kind = match std::env::var("KILDE_TEST_STORE").as_deref() {
            Err(_) => return self,
            Ok("s3") => Kind::S3,
            Ok("azure") => Kind::Azure,
            Ok(other) => panic!("KILDE_TEST_STORE is {other}"),
        };
        self.moved_to(kind.shared().expect("the store that was asked for"))
    }

    /// Copies the exports into the store, if that is where they lie.
    pub(crate) fn deliver(&self) {
        if let Some(far) = &self.far {
            far.store.put(&far.exports, &format!("{}/raw", far.below));
        }
    }

    /// Adds exports, name and text, wherever they lie.
    pub(crate) fn deliver_files(&self, files: &[(String, String)]) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            match &self.far {
                None => self.write(&format!("exports/{name}"), text),
                Some(_) => fs::write(folder.path().join(name), text).unwrap(),
            }
        }
        if let Some(far) = &self.far {
            far.store.put(folder.path(), &format!("{}/raw", far.below));
        }
    }

    /// As any reader names the lake: a folder, or a URL.
    pub(crate) fn lake(&self) -> String {
        match &self.far {
            None => self.path("lake").display().to_string(),
            Some(far) => far.store.url(&format!("{}/lake", far.below)),
        }
    }

    /// The store that exports and lake were moved to.
    pub(crate) fn store(&self) -> Option<&'static Emulator> {
        self.far.as_ref().map(|far| far.store)
    }

    /// Copies the lake to `lake/`, if it lies in a store.
    pub(crate) fn fetch(&self) {
        if let Some(far) = &self.far {
            far.store
                .get(&format!("{}/lake", far.below), &self.path("lake"));
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    /// A command that runs kilde here, with nothing of the caller's environment that would change it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // long tests at real size run an optimised binary
        let binary = std::env::var_os("KILDE_TEST_BINARY");
        let binary = binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_kilde").into());
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .current_dir(self.root())
            .env("NO_COLOR", "1");
        let others = ["KILDE_", "AWS_", "AZURE_", "GOOGLE_"];
        for (name, _) in std::env::vars() {
            if others.iter().any(|start| name.starts_with(start)) {
                command.env_remove(name);
            }
        }
        if let Some(far) = &self.far {
            command.envs(far.store.environment());
        }
        command
    }

    /// Lets a command stop at a boundary of the protocol; at one with the prefix `held_` it waits until [`Sandbox::lets_go`].
    pub(crate) fn stops_at(&self, command: &mut Command, failpoint: &str) {
        command
            .env("KILDE_FAILPOINT", failpoint)
            .env("KILDE_FAILPOINT_FILE", self.path("held"));
    }

    /// Waits until a command has reached its boundary.
    #[track_caller]
    pub(crate) fn is_held(&self) {
        until(|| self.path("held").exists());
    }

    /// Lets a command go on that waits at its boundary.
    pub(crate) fn lets_go(&self) {
        fs::remove_file(self.path("held")).unwrap();
    }

    pub(crate) fn kilde(&self, arguments: &[&str]) -> Said {
        Said::of(time_limit::output(&mut self.command(arguments)).unwrap())
    }

    /// Rows of a query as CSV cells, without the header.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let said = self.kilde(&["query", "--format", "csv", sql]).ended(0);
        said.stdout
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(str::to_string).collect())
            .collect()
    }

    /// Table → digest at the newest release, for every table but `ops.*`.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let release = self.newest_release();
        let tables = release["tables"].as_object().unwrap();
        tables
            .iter()
            .filter(|(name, _)| !name.starts_with("ops."))
            .map(|(name, table)| {
                (
                    name.clone(),
                    table["facts"]["digest"].as_str().unwrap().to_string(),
                )
            })
            .collect()
    }

    /// The newest settled release's record.
    pub(crate) fn newest_release(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.newest_release_path()).unwrap()).unwrap()
    }

    pub(crate) fn newest_release_path(&self) -> PathBuf {
        self.fetch();
        let mut paths: Vec<PathBuf> = fs::read_dir(self.path("lake/_kilde/releases"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.pop().unwrap()
    }

    /// Id of the newest run that left a report.
    pub(crate) fn last_run(&self) -> String {
        let runs = fs::read_dir(self.path("lake/_kilde/runs")).unwrap();
        let names = runs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let newest = names.max().unwrap();
        newest.trim_end_matches(".json").to_string()
    }

    /// Every object of the lake with size and modification time, to see whether anything was written.
    pub(crate) fn objects(&self) -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
        self.fetch();
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("lake")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let data = entry.metadata().unwrap();
                if data.is_dir() {
                    folders.push(entry.path());
                } else {
                    found.insert(entry.path(), (data.len(), data.modified().unwrap()));
                }
            }
        }
        found
    }
}

/// In memory where the system has such a place with room, else where temporary files lie: tests make thousands of small files, and a
/// disk spends a fifth of their time on them. `KILDE_TEST_FOLDER` names another place.
fn temporary_folder() -> tempfile::TempDir {
    if let Some(folder) = std::env::var_os("KILDE_TEST_FOLDER") {
        return tempfile::tempdir_in(folder).unwrap();
    }
    #[cfg(target_os = "linux")]
    if let Ok(memory) = rustix::fs::statvfs("/dev/shm")
        && memory.f_bavail * memory.f_frsize > 4 << 30
        && let Ok(folder) = tempfile::tempdir_in("/dev/shm")
    {
        return folder;
    }
    tempfile::tempdir().unwrap()
}

/// Waits until something is so, for a minute.
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not come");
}

/// Copies all below a folder; files keep their times.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            let copy = fs::File::options().append(true).open(&target).unwrap();
            copy.set_modified(modified).unwrap();
        }
    }
}

/// A text of kilde with what differs from run to run replaced: ids of runs, moments, durations, memory.
pub(crate) fn steady(text: &str) -> String {
    let patterns = [
        (r"\d{8}T\d{9}-[0-9a-f]{6}", "RUN"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}", "MOMENT"),
        (r"as of \d{4}-\d{2}-\d{2}", "as of DAY"),
        (r"(?m) · \d+(\.\d+)? [kMG]?B$", ""),
        (r"\d+\.\d s", "N s"),
        (r" +N s", "  N s"),
    ];
    patterns
        .iter()
        .fold(text.to_string(), |text, (pattern, plain)| {
            let pattern = regex::Regex::new(pattern).unwrap();
            pattern.replace_all(&text, *plain).into_owned()
        })
}
