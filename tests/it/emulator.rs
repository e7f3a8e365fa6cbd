//! Object stores of other makers, started on this machine for as long as the tests run.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::foreign;

/// What a test never wants to see in anything that kilde says.
pub(crate) const SECRET: &str = "geheimnis-0123456789";

/// The bucket, or container, of every test; each has a folder of its own in it.
pub(crate) const BUCKET: &str = "acme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// moto, which creates an object once.
    S3,
    /// Azurite.
    Azure,
    /// s3rver, which overwrites.
    Careless,
}

/// A running store; it ends when this is dropped, or the process.
pub(crate) struct Emulator {
    kind: Kind,
    port: u16,
    python: PathBuf,
    folder: tempfile::TempDir,
    process: Child,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Careless => "careless",
        }
    }

    /// The one that tests share who do not mind each other. `None`: it cannot run here, which was said.
    pub(crate) fn shared(self) -> Option<&'static Emulator> {
        static RUNNING: [OnceLock<Option<Emulator>>; 3] =
            [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        RUNNING[self as usize]
            .get_or_init(|| Emulator::start(self))
            .as_ref()
    }
}

impl Emulator {
    /// One for a test alone, which may count its requests or make it misbehave.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let python = foreign::python()?.to_path_buf();
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulators/emulator.py");
        let mut command = Command::new(&python);
        command
            .arg(script)
            .arg(kind.name())
            .arg(folder.path().join("requests.log"));
        if kind != Kind::S3 {
            command.arg(foreign::node_modules()?);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = process.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        let port = line.trim().parse();
        let port = port.unwrap_or_else(|_| panic!("{} did not start: {line:?}", kind.name()));
        Some(Self {
            kind,
            port,
            python,
            folder,
            process,
        })
    }

    /// The variables by which kilde finds it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let url = format!("http://127.0.0.1:{}", self.port);
        match self.kind {
            Kind::Azure => vec![
                ("AZURE_STORAGE_USE_EMULATOR", "true".to_string()),
                ("AZURITE_BLOB_STORAGE_URL", url),
            ],
            Kind::S3 => vec![
                ("AWS_ACCESS_KEY_ID", "test".to_string()),
                ("AWS_SECRET_ACCESS_KEY", SECRET.to_string()),
                ("AWS_REGION", "us-east-1".to_string()),
                ("AWS_ENDPOINT_URL", url),
            ],
            Kind::Careless => vec![
                ("AWS_ACCESS_KEY_ID", "S3RVER".to_string()),
                ("AWS_SECRET_ACCESS_KEY", "S3RVER".to_string()),
                ("AWS_REGION", "us-east-1".to_string()),
                ("AWS_ENDPOINT_URL", url),
            ],
        }
    }

    /// As kilde.yaml names a place below the bucket.
    pub(crate) fn url(&self, below: &str) -> String {
        match self.kind {
            Kind::Azure => format!("az://{BUCKET}/{below}"),
            _ => format!("s3://{BUCKET}/{below}"),
        }
    }

    /// Copies every file of a folder to below a place of the bucket.
    pub(crate) fn put(&self, folder: &Path, below: &str) {
        let folder = folder.display().to_string();
        self.objects(&["put", &folder, &format!("{BUCKET}/{below}")]);
    }

    /// Copies every object below a place of the bucket into a folder, which is emptied first.
    pub(crate) fn get(&self, below: &str, folder: &Path) {
        let folder = folder.display().to_string();
        self.objects(&["get", &format!("{BUCKET}/{below}"), &folder]);
    }

    fn objects(&self, arguments: &[&str]) {
        let url = format!("{}://127.0.0.1:{}", self.kind.name(), self.port);
        foreign::script(
            &self.python,
            "objects.py",
            &[&[url.as_str()], arguments].concat(),
        );
    }

    /// How it answers from now on; see `emulator.py`.
    pub(crate) fn behave(&self, how: &str) {
        let mut server = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "PUT /-/behave?{how} HTTP/1.1\r\nHost: s3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        server.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Every request so far: method, path with query, status.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("requests.log")).unwrap();
        log.lines().map(str::to_string).collect()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // it ends when its input does
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
