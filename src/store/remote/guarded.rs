//! The one way to an object store: every error is cut down to what may be shown before anybody sees it, and every request
//! is told at level `debug`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

use super::super::failure::{Class, Told};
use crate::location::Provider;

#[derive(Clone, Debug)]
pub(super) struct Guarded {
    inner: Arc<dyn ObjectStore>,
    provider: Provider,
}

impl Guarded {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, provider: Provider) -> Self {
        Self { inner, provider }
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
        let done = self.inner.put_opts(location, payload, options).await;
        done.map_err(|error| cut_down(self.provider, error))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        tracing::debug!(path = %location, "begin an upload in parts");
        let upload = self.inner.put_multipart_opts(location, options).await;
        let upload = upload.map_err(|error| cut_down(self.provider, error))?;
        Ok(Box::new(GuardedUpload {
            inner: upload,
            provider: self.provider,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let request = if options.head { "head" } else { "get" };
        tracing::debug!(path = %location, range = ?options.range, "{request}");
        let provider = self.provider;
        let found = self.inner.get_opts(location, options).await;
        let mut found = found.map_err(|error| cut_down(provider, error))?;
        if let GetResultPayload::Stream(stream) = found.payload {
            let stream = stream.map_err(move |error| cut_down(provider, error));
            found.payload = GetResultPayload::Stream(stream.boxed());
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        tracing::debug!(path = %location, ranges = ranges.len(), "get");
        let found = self.inner.get_ranges(location, ranges).await;
        found.map_err(|error| cut_down(self.provider, error))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        tracing::debug!("delete");
        let provider = self.provider;
        let deleted = self.inner.delete_stream(locations);
        deleted
            .map_err(move |error| cut_down(provider, error))
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        tracing::debug!(prefix = prefix.map(Path::as_ref), "list");
        let provider = self.provider;
        let listed = self.inner.list(prefix);
        listed
            .map_err(move |error| cut_down(provider, error))
            .boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        tracing::debug!(prefix = prefix.map(Path::as_ref), %offset, "list");
        let provider = self.provider;
        let listed = self.inner.list_with_offset(prefix, offset);
        listed
            .map_err(move |error| cut_down(provider, error))
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        tracing::debug!(prefix = prefix.map(Path::as_ref), "list");
        let listed = self.inner.list_with_delimiter(prefix).await;
        listed.map_err(|error| cut_down(self.provider, error))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        tracing::debug!(path = %from, %to, "copy");
        let done = self.inner.copy_opts(from, to, options).await;
        done.map_err(|error| cut_down(self.provider, error))
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.fmt(f)
    }
}

#[derive(Debug)]
struct GuardedUpload {
    inner: Box<dyn MultipartUpload>,
    provider: Provider,
}

#[async_trait]
impl MultipartUpload for GuardedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        tracing::debug!(bytes = data.content_length(), "put a part");
        let provider = self.provider;
        let part = self.inner.put_part(data);
        part.map(move |done| done.map_err(|error| cut_down(provider, error)))
            .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.inner.complete().await;
        done.map_err(|error| cut_down(self.provider, error))
    }

    async fn abort(&mut self) -> Result<()> {
        let done = self.inner.abort().await;
        done.map_err(|error| cut_down(self.provider, error))
    }
}
