//! What became of the whole files below `latest/`.

use super::format;
use super::style::{DOUBT, styled};
use crate::run::LatestReport;

/// A line, or two where something failed.
pub(super) fn render(report: &LatestReport) -> String {
    let mut text = String::new();
    if report.written > 0 || report.removed > 0 {
        text.push_str(&format!(
            "latest/   {} written",
            format::plural(report.written, "Parquet file")
        ));
        if report.removed > 0 {
            text.push_str(&format!(", {} removed", format::count(report.removed)));
        }
        text.push('\n');
    }
    if let Some(failure) = &report.failure {
        text.push_str(&format!(
            "{}: not every file of latest/ is of this release: {failure}; the next build tries again\n",
            styled(DOUBT, "warning")
        ));
    }
    text
}
