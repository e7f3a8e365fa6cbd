//! The one way to an object store: every error is cut down to what may be shown before anybody sees it, every request is
//! told at level `debug`, and a store that stayed away for as long as one request may wait is not waited for again until it
//! has answered.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

use super::super::failure::{Class, Told};
use crate::location::Provider;

#[derive(Debug)]
pub(super) struct Guarded {
    patient: Arc<dyn ObjectStore>,
    curt: Arc<dyn ObjectStore>,
    listener: Listener,
}

/// Hears every answer.
#[derive(Clone, Debug)]
struct Listener {
    provider: Provider,
    is_away: Arc<AtomicBool>,
}

impl Guarded {
    pub(super) fn new(
        patient: Arc<dyn ObjectStore>,
        curt: Arc<dyn ObjectStore>,
        provider: Provider,
    ) -> Self {
        Self {
            patient,
            curt,
            listener: Listener {
                provider,
                is_away: Arc::default(),
            },
        }
    }

    fn inner(&self) -> &Arc<dyn ObjectStore> {
        match self.listener.is_away.load(Ordering::Relaxed) {
            true => &self.curt,
            false => &self.patient,
        }
    }
}

impl Listener {
    fn hear<T>(&self, answer: Result<T>) -> Result<T> {
        let answer = answer.map_err(|error| cut_down(self.provider, error));
        let is_away = matches!(&answer, Err(Error::Generic { source, .. })
            if source.downcast_ref::<Told>().is_some_and(|told| told.class == Class::Away));
        self.is_away.store(is_away, Ordering::Relaxed);
        answer
    }

    fn hear_each<T: 'static>(
        &self,
        answers: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let listener = self.clone();
        answers.map(move |answer| listener.hear(answer)).boxed()
    }
}

/// The same error, its kind kept where callers act on it, and nothing in it that was not cut down.
fn cut_down(provider: Provider, error: Error) -> Error {
    let told = Told::of(provider, &error);
    let class = told.class;
    let source = Box::new(told);
    match error {
        // no bucket is not "no such object": nothing can be concluded from it
        Error::NotFound { path, .. } if class == Class::Away => Error::NotFound { path, source },
        Error::AlreadyExists { path, .. } => Error::AlreadyExists { path, source },
        Error::Precondition { path, .. } => Error::Precondition { path, source },
        Error::NotModified { path, .. } => Error::NotModified { path, source },
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
        // these hold no answer of a server
        error @ (Error::NotImplemented { .. } | Error::InvalidPath { .. }) => error,
        _ => Error::Generic {
            store: "object store",
            source,
        },
    }
}

#[async_trait]
impl ObjectStore for Guarded {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        tracing::debug!(path = %location, bytes = payload.content_length(), "put");
        let done = self.inner().put_opts(location, payload, options).await;
        self.listener.hear(done)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        tracing::debug!(path = %location, "begin an upload in parts");
        let upload = self.inner().put_multipart_opts(location, options).await;
        Ok(Box::new(GuardedUpload {
            inner: self.listener.hear(upload)?,
            listener: self.listener.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let request = if options.head { "head" } else { "get" };
        tracing::debug!(path = %location, range = ?options.range, "{request}");
        let found = self.inner().get_opts(location, options).await;
        let mut found = self.listener.hear(found)?;
        if let GetResultPayload::Stream(stream) = found.payload {
            found.payload = GetResultPayload::Stream(self.listener.hear_each(stream));
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        tracing::debug!(path = %location, ranges = ranges.len(), "get");
        let found = self.inner().get_ranges(location, ranges).await;
        self.listener.hear(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        tracing::debug!("delete");
        self.listener
            .hear_each(self.inner().delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        tracing::debug!(prefix = prefix.map(Path::as_ref), "list");
        self.listener.hear_each(self.inner().list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        tracing::debug!(prefix = prefix.map(Path::as_ref), %offset, "list");
        self.listener
            .hear_each(self.inner().list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        tracing::debug!(prefix = prefix.map(Path::as_ref), "list");
        let listed = self.inner().list_with_delimiter(prefix).await;
        self.listener.hear(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        tracing::debug!(path = %from, %to, "copy");
        let done = self.inner().copy_opts(from, to, options).await;
        self.listener.hear(done)
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listener.provider.fmt(f)
    }
}

#[derive(Debug)]
struct GuardedUpload {
    inner: Box<dyn MultipartUpload>,
    listener: Listener,
}

#[async_trait]
impl MultipartUpload for GuardedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        tracing::debug!(bytes = data.content_length(), "put a part");
        let listener = self.listener.clone();
        let part = self.inner.put_part(data);
        part.map(move |done| listener.hear(done)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.inner.complete().await;
        self.listener.hear(done)
    }

    async fn abort(&mut self) -> Result<()> {
        let done = self.inner.abort().await;
        self.listener.hear(done)
    }
}
