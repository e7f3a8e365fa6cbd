//! Making what was written durable: nothing that follows a barrier can survive a power cut alone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{Store, blocking, failure};
use crate::error::Result;

impl Store {
    /// Returns when everything written below the location so far is durable. `written` names the objects (paths below
    /// the location) that matter, for systems where only single files can be made durable; names that are gone do not
    /// matter. Object stores are durable when they answer.
    pub(crate) async fn barrier(&self, written: &[String]) -> Result<()> {
        let Some(folder) = self.location().folder() else {
            #[cfg(test)]
            self.simulated_barrier().await;
            return Ok(());
        };
        let (folder, written) = (folder.to_path_buf(), written.to_vec());
        blocking(move || {
            sync(&folder, &written)
                .map_err(|error| failure::local(folder.display().to_string(), error))
        })
        .await
    }

    /// Tells a simulated disk, by a look at a name that nothing has, that all it was given is durable from here on.
    #[cfg(test)]
    async fn simulated_barrier(&self) {
        use object_store::ObjectStoreExt;
        drop(self.object_store().head(&SIMULATED.into()).await);
    }
}

/// Begins to make a file durable that is whole, and waits for nothing: the barrier that comes later finds less to do, and says
/// what went wrong.
pub(crate) fn hasten(file: PathBuf) {
    tokio::task::spawn_blocking(move || File::open(file).and_then(|file| file.sync_data()));
}

/// The name by which a simulated disk knows a barrier.
#[cfg(test)]
pub(crate) const SIMULATED: &str = "barrier of a simulation";

/// One call for the whole file system instead of one for each of hundreds of files.
#[cfg(target_os = "linux")]
fn sync(folder: &Path, _written: &[String]) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Each file, then each folder that names one.
#[cfg(not(target_os = "linux"))]
fn sync(folder: &Path, written: &[String]) -> io::Result<()> {
    let mut folders = std::collections::BTreeSet::from([folder.to_path_buf()]);
    for path in written {
        let file = folder.join(path);
        // Windows flushes only what is open for writing
        match File::options().read(true).write(cfg!(windows)).open(&file) {
            Ok(opened) => opened.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        let above = file
            .ancestors()
            .skip(1)
            .take_while(|above| above.starts_with(folder));
        folders.extend(above.map(Path::to_path_buf));
    }
    // Windows opens no folder as a file: NTFS keeps names in its journal, which the flush of a file writes out too
    if !cfg!(windows) {
        for folder in folders {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}
