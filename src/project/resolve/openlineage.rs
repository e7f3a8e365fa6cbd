//! `openlineage:` of the project and of the target → the one that holds.

use std::path::Path;

use super::super::raw::{Mistake, RawOpenLineage, RawTarget, Sink};
use super::super::{OpenLineage, Webhook};
use super::notify::webhook;
use crate::diagnostic::Span;

/// The target's, else the project's; the mistakes of every one in the sink.
pub(super) fn resolve(
    of_project: Option<&RawOpenLineage>,
    of_targets: impl Iterator<Item = Option<RawOpenLineage>>,
    target: Option<&RawTarget>,
    root: &Path,
    sink: &mut Sink,
) -> Option<OpenLineage> {
    // without a line: what stands there may be half of a secret
    let mut blame = |text: &str, help: &str| {
        sink.report(Span::default(), Mistake::new(103, text).help(help));
    };
    for raw in of_project.cloned().into_iter().chain(of_targets.flatten()) {
        if raw.url.as_deref().is_some_and(|url| webhook(url).is_none()) {
            blame(
                "`openlineage: {url: …}` is neither `env:NAME` nor an address that begins with https://",
                "for example `url: \"env:OPENLINEAGE_URL\"`",
            );
        }
        if raw
            .api_key
            .as_deref()
            .is_some_and(|key| variable(key).is_none())
        {
            blame(
                "`openlineage: {api_key: …}` is not `env:NAME`",
                "keep the key out of the file: `api_key: \"env:OPENLINEAGE_API_KEY\"`",
            );
        }
        if raw.url.is_none() && raw.file.is_none() {
            blame(
                "`openlineage` says neither `url` nor `file`",
                "for example `openlineage: {url: \"env:OPENLINEAGE_URL\"}`",
            );
        }
    }
    let raw = target
        .and_then(|target| target.openlineage.as_ref())
        .or(of_project)?;
    Some(OpenLineage {
        url: raw.url.as_deref().and_then(webhook),
        api_key: raw.api_key.as_deref().and_then(variable),
        file: raw.file.as_ref().map(|file| root.join(file)),
        namespace: raw.namespace.clone(),
    })
}

fn variable(text: &str) -> Option<String> {
    match webhook(text)? {
        Webhook::Variable(name) => Some(name),
        Webhook::Address(_) => None,
    }
}
