//! `notify:` of the project and of the target → the one that holds.

use std::collections::BTreeSet;

use super::super::raw::{Mistake, RawNotify, RawTarget, Sink};
use super::super::{Notify, Occasion, Webhook};
use crate::diagnostic::Span;

const EVERY: [Occasion; 3] = [Occasion::Failed, Occasion::Held, Occasion::Stale];

/// The target's, else the project's; the mistakes of every one in the sink.
pub(super) fn resolve(
    of_project: Option<&RawNotify>,
    of_targets: impl Iterator<Item = Option<RawNotify>>,
    target: Option<&RawTarget>,
    sink: &mut Sink,
) -> Option<Notify> {
    for raw in of_project.cloned().into_iter().chain(of_targets.flatten()) {
        if webhook(&raw.webhook).is_none() {
            // without a line: what stands there may be half of a secret
            let mistake = Mistake::new(
                103,
                "`notify: {webhook: …}` is neither `env:NAME` nor an address that begins with https://",
            );
            sink.report(
                Span::default(),
                mistake.help("keep the address out of the file: `webhook: \"env:KILDE_WEBHOOK\"`"),
            );
        }
    }
    let raw = target
        .and_then(|target| target.notify.as_ref())
        .or(of_project)?;
    let on: BTreeSet<Occasion> = raw.on.0.iter().copied().collect();
    Some(Notify {
        webhook: webhook(&raw.webhook)?,
        on: if on.is_empty() { EVERY.into() } else { on },
    })
}

/// `env:NAME`, or an address.
pub(super) fn webhook(text: &str) -> Option<Webhook> {
    if let Some(name) = text.strip_prefix("env:") {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = !name.is_empty() && name.chars().all(plain);
        return is_name.then(|| Webhook::Variable(name.to_string()));
    }
    let url = url::Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host())
        .then(|| Webhook::Address(text.to_string()))
}
