//! Small data files of a far store, each fetched once and whole.
//!
//! To read a Parquet file takes three requests: where its footer begins, the footer, the columns. Of a small file the way
//! costs more than the bytes, so the first request takes all of it, and later ones, of other steps too, cost nothing. A
//! data file's name is used once for ever: what was fetched stays true.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::OnceCell;

/// Bytes of the largest file that is fetched whole.
const SMALL: u64 = 1 << 20;

/// Bytes kept at most; the oldest go first.
const KEPT: u64 = 64 << 20;

/// A store whose small data files are kept in memory.
#[derive(Debug)]
pub(super) struct SmallFiles {
    inner: Arc<dyn ObjectStore>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    files: BTreeMap<Path, Fetched>,
    /// Those that are small, oldest first.
    order: VecDeque<(Path, u64)>,
    bytes: u64,
}

/// Whoever comes while a file is under way waits for it. `None` inside: it is not small.
type Fetched = Arc<OnceCell<Option<(ObjectMeta, Bytes)>>>;

impl SmallFiles {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            kept: Mutex::default(),
        }
    }

    /// The whole file, if it is small.
    async fn whole(&self, path: &Path) -> Result<Option<(ObjectMeta, Bytes)>> {
        let fetched = Arc::clone(self.lock().files.entry(path.clone()).or_default());
        let found = fetched.get_or_try_init(|| self.fetch(path)).await?;
        Ok(found.clone())
    }

    async fn fetch(&self, path: &Path) -> Result<Option<(ObjectMeta, Bytes)>> {
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(0..SMALL)));
        let found = self.inner.get_opts(path, options).await?;
        if found.meta.size > SMALL {
            return Ok(None);
        }
        let meta = found.meta.clone();
        let bytes = found.bytes().await?;
        self.lock().make_room(path, meta.size);
        Ok(Some((meta, bytes)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn make_room(&mut self, path: &Path, size: u64) {
        self.order.push_back((path.clone(), size));
        self.bytes += size;
        while self.bytes > KEPT
            && let Some((oldest, size)) = self.order.pop_front()
        {
            self.files.remove(&oldest);
            self.bytes -= size;
        }
    }
}

/// Only these names are used once: whole files for other tools and the protocol's own objects are replaced.
fn is_data_file(path: &Path) -> bool {
    let name = path.filename().unwrap_or_default();
    name.ends_with(".parquet")
        && name
            .as_bytes()
            .get(..20)
            .is_some_and(|start| start.iter().all(u8::is_ascii_digit))
        && name.as_bytes().get(20) == Some(&b'-')
}

#[async_trait]
impl ObjectStore for SmallFiles {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let wanted = match &options.range {
            Some(GetRange::Bounded(range)) if !options.head && is_data_file(location) => {
                range.clone()
            }
            _ => return self.inner.get_opts(location, options).await,
        };
        match self.whole(location).await? {
            Some((meta, bytes)) if wanted.end <= meta.size && wanted.start < wanted.end => {
                let part = bytes.slice(wanted.start as usize..wanted.end as usize);
                let payload = stream::once(std::future::ready(Ok(part))).boxed();
                Ok(GetResult {
                    payload: GetResultPayload::Stream(payload),
                    meta,
                    range: wanted,
                    attributes: object_store::Attributes::default(),
                })
            }
            _ => self.inner.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !is_data_file(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        match self.whole(location).await? {
            Some((meta, bytes)) if ranges.iter().all(|range| range.end <= meta.size) => Ok(ranges
                .iter()
                .map(|range| bytes.slice(range.start as usize..range.end as usize))
                .collect()),
            _ => self.inner.get_ranges(location, ranges).await,
        }
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for SmallFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    fn file(number: u32) -> Path {
        Path::from(format!(
            "gold/a/{:020}-20260301T020612-9f3ac1-{number}.parquet",
            7
        ))
    }

    async fn put(store: &dyn ObjectStore, path: &Path, bytes: Vec<u8>) {
        store
            .put_opts(path, bytes.into(), PutOptions::default())
            .await
            .unwrap();
    }

    /// What is read after the object was taken away came from memory.
    #[tokio::test]
    async fn a_small_file_is_fetched_once_whatever_is_asked_of_it() {
        let inner = Arc::new(InMemory::new());
        let store = SmallFiles::new(Arc::clone(&inner) as Arc<dyn ObjectStore>);
        put(&*inner, &file(1), (0..100).collect()).await;
        assert_eq!(
            store.get_range(&file(1), 90..92).await.unwrap(),
            [90, 91][..]
        );
        inner.delete(&file(1)).await.unwrap();
        assert_eq!(store.get_range(&file(1), 0..2).await.unwrap(), [0, 1][..]);
        let ranges = store.get_ranges(&file(1), &[5..6, 99..100]).await.unwrap();
        assert_eq!(ranges, [Bytes::from(vec![5]), Bytes::from(vec![99])]);
    }

    #[tokio::test]
    async fn large_files_and_what_may_be_replaced_are_read_from_the_store() {
        let inner = Arc::new(InMemory::new());
        let store = SmallFiles::new(Arc::clone(&inner) as Arc<dyn ObjectStore>);
        let replaced = Path::from("latest/gold.a.parquet");
        for path in [file(2), replaced] {
            for byte in [1, 2] {
                let size = SMALL as usize + usize::from(path == file(2));
                put(&*inner, &path, vec![byte; size]).await;
                let found = store.get_range(&path, 3..5).await.unwrap();
                assert_eq!(found, [byte, byte][..], "{path}");
            }
        }
    }

    #[tokio::test]
    async fn the_oldest_go_where_there_is_no_room() {
        let inner = Arc::new(InMemory::new());
        let store = SmallFiles::new(Arc::clone(&inner) as Arc<dyn ObjectStore>);
        for number in 0..70 {
            put(&*inner, &file(number), vec![0; SMALL as usize]).await;
            store.get_range(&file(number), 0..1).await.unwrap();
        }
        let kept = store.lock();
        assert!(
            kept.bytes <= KEPT && kept.files.len() == 64,
            "{}",
            kept.files.len()
        );
        assert!(!kept.files.contains_key(&file(0)) && kept.files.contains_key(&file(69)));
    }
}
