//! Does this store create an object exactly once among rivals? Everything rests on it, so it is tried, not believed.
//!
//! A server that checks and then writes passes two creates in a row and still loses commits, hence the race.

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{PutOutcome, Store};
use crate::diagnostic::Code;
use crate::error::{Error, Result};

const KEYS: usize = 8;
const CREATORS: usize = 16;

impl Store {
    /// Lets 16 creators race for each of 8 objects below `folder`, whose name must be fresh; deletes them again.
    ///
    /// # Errors
    /// `Config` unless each object has exactly one winner, whose bytes it then holds.
    pub(crate) async fn probe(&self, folder: &str) -> Result<()> {
        let paths: Vec<String> = (0..KEYS).map(|key| format!("{folder}/{key}")).collect();
        let verdict = self.race_for_each(&paths).await;
        self.delete_all(&paths).await?;
        verdict
    }

    async fn race_for_each(&self, paths: &[String]) -> Result<()> {
        for path in paths {
            self.race(path).await?;
        }
        Ok(())
    }

    async fn race(&self, path: &str) -> Result<()> {
        let outcomes: Vec<(usize, PutOutcome)> = stream::iter(0..CREATORS)
            .map(|creator| async move {
                let bytes = Bytes::from(creator.to_string());
                let outcome = self.put_if_absent(path, bytes).await?;
                Ok::<_, Error>((creator, outcome))
            })
            .buffer_unordered(CREATORS)
            .try_collect()
            .await?;
        let mut winners = Vec::new();
        let mut doubt = None;
        for (creator, outcome) in outcomes {
            match outcome {
                PutOutcome::Created => winners.push(creator),
                PutOutcome::Exists => {}
                PutOutcome::Unknown(error) => doubt = Some(error),
            }
        }
        let held = self.get(path).await?;
        let held_by = |creator: &usize| held.as_deref() == Some(creator.to_string().as_bytes());
        match (winners.as_slice(), doubt) {
            ([winner], _) if held_by(winner) => Ok(()),
            // the winner's answer was lost, and asking again it met its own object: nobody was told a falsehood
            ([], _) if (0..CREATORS).any(|creator| held_by(&creator)) => Ok(()),
            ([], Some(error)) => Err(error),
            _ => Err(self.cannot_create_once()),
        }
    }

    fn cannot_create_once(&self) -> Error {
        Error::config("this storage does not create an object exactly once among rivals")
            .code(Code(704))
            .at(self.location().to_string())
            .help("a release could be lost there: use a disk with hard links, or a store with conditional writes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Location;

    #[tokio::test]
    async fn a_local_disk_passes_and_nothing_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Location::Folder(folder.path().join("lake"));
        let store = Store::open_or_create(&lake).unwrap();
        store.probe("_kilde/probe-1").await.unwrap();
        assert!(store.list("").await.unwrap().is_empty());
    }
}
