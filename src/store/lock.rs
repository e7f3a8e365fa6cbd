//! The lock of the builder on this machine: held while it lives, gone when the process is.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::Duration;

use super::{Store, blocking, failure};
use crate::error::Result;

/// Before a lock is tried again.
const TRIES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(50)];

/// Whether this process now holds a lock.
#[derive(Debug)]
pub(crate) enum Lock {
    /// It does, until the guard is dropped or the process ends, however it ends.
    Held(LockGuard),
    /// Another living process holds it.
    Taken,
    /// This kind of storage has no locks.
    Unsupported,
}

/// Holds a lock until dropped.
#[derive(Debug)]
pub(crate) struct LockGuard {
    _file: File,
}

impl Store {
    /// Whether a living process holds the lock of that name; `None`: this kind of storage does not tell. Writes nothing.
    pub(crate) async fn is_locked(&self, path: &str) -> Result<Option<bool>> {
        let Some(file) = self.local_file(path) else {
            return Ok(None);
        };
        blocking(move || {
            // gone with the handle at the end of this closure: who tries in between tries again
            let opened = match File::open(&file) {
                Ok(opened) => opened,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Some(false));
                }
                Err(_) => return Ok(None),
            };
            Ok(match opened.try_lock_shared() {
                Ok(()) => Some(false),
                Err(TryLockError::WouldBlock) => Some(true),
                Err(TryLockError::Error(_)) => None,
            })
        })
        .await
    }

    /// Takes the lock of that name, without waiting for its holder.
    pub(crate) async fn try_lock(&self, path: &str) -> Result<Lock> {
        for pause in TRIES {
            match self.try_lock_once(path).await? {
                // perhaps only somebody who looks whether it is held
                Lock::Taken => crate::clock::sleep(pause).await,
                lock => return Ok(lock),
            }
        }
        self.try_lock_once(path).await
    }

    async fn try_lock_once(&self, path: &str) -> Result<Lock> {
        let Some(file) = self.local_file(path) else {
            return Ok(Lock::Unsupported);
        };
        blocking(move || {
            let failed = |error| failure::local(file.display().to_string(), error);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            let opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&file)
                .map_err(failed)?;
            match opened.try_lock() {
                Ok(()) => Ok(Lock::Held(LockGuard { _file: opened })),
                Err(TryLockError::WouldBlock) => Ok(Lock::Taken),
                // file systems that cannot lock: liveness is then told by heartbeats
                Err(TryLockError::Error(error))
                    if error.kind() == std::io::ErrorKind::Unsupported =>
                {
                    Ok(Lock::Unsupported)
                }
                Err(TryLockError::Error(error)) => Err(failed(error)),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Location;

    #[tokio::test]
    async fn a_lock_is_taken_until_its_guard_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Location::Folder(folder.path().join("lake"));
        let store = Store::open_or_create(&lake).unwrap();
        let first = store.try_lock("_kilde/lock").await.unwrap();
        assert!(matches!(first, Lock::Held(_)));
        assert_eq!(store.is_locked("_kilde/lock").await.unwrap(), Some(true));
        assert_eq!(store.is_locked("_kilde/other").await.unwrap(), Some(false));
        assert!(matches!(
            store.try_lock("_kilde/lock").await.unwrap(),
            Lock::Taken
        ));
        drop(first);
        assert!(matches!(
            store.try_lock("_kilde/lock").await.unwrap(),
            Lock::Held(_)
        ));
    }
}
