//! The `kilde` binary; all of it lives in the library's `cli` module, but for the files of `kilde init`: they are packed
//! here, so that a change of the shipped project does not compile the library again.

use std::process::ExitCode;

use include_dir::{Dir, include_dir};

/// Tables are made of large buffers that live shortly and on many threads.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

static FOLDERS: [(&str, Dir<'_>); 5] = [
    ("pipelines", include_dir!("$CARGO_MANIFEST_DIR/pipelines")),
    ("schemas", include_dir!("$CARGO_MANIFEST_DIR/schemas")),
    ("seeds", include_dir!("$CARGO_MANIFEST_DIR/seeds")),
    ("sql", include_dir!("$CARGO_MANIFEST_DIR/sql")),
    ("exports", include_dir!("$CARGO_MANIFEST_DIR/exports")),
];

fn main() -> ExitCode {
    kilde::cli::main(scaffold)
}

/// Every file of the shipped project by its path.
fn scaffold() -> Vec<(String, &'static [u8])> {
    let kilde: &[u8] = include_bytes!("../kilde.yaml");
    let mut files = vec![("kilde.yaml".to_string(), kilde)];
    for (name, folder) in &FOLDERS {
        gather(name, folder, &mut files);
    }
    files
}

fn gather(root: &str, folder: &'static Dir<'_>, files: &mut Vec<(String, &'static [u8])>) {
    for file in folder.files() {
        let below = file.path().to_string_lossy().replace('\\', "/");
        files.push((format!("{root}/{below}"), file.contents()));
    }
    for folder in folder.dirs() {
        gather(root, folder, files);
    }
}
