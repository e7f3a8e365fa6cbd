//! `order by all` behind a set operation or `values`: the planner takes it and sorts nothing.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{OrderByKind, Query, SetExpr, Spanned as _, Visit, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;

use super::{LineIndex, PlacedToken, phrase};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span};

/// # Errors
/// K0312 at the first one.
pub(super) fn refuse_unsorted(
    file: &Arc<SourceFile>,
    tokens: &[PlacedToken],
    lines: &LineIndex,
    query: &Query,
) -> Result<(), Diagnostic> {
    let ControlFlow::Break(body_end) = query.visit(&mut Finder {
        offset_of_end: |body: &SetExpr| lines.offset(&file.text, body.span().end),
    }) else {
        return Ok(());
    };
    let words = [Keyword::ORDER, Keyword::BY, Keyword::ALL];
    let all = phrase(tokens, &words, body_end);
    let message = "`order by all` sorts a select list, and neither a set operation nor `values`";
    Err(Diagnostic::error(Code(312), message)
        .at(file, all.unwrap_or_else(|| tokens.first().map_or_else(Span::default, |t| t.span)))
        .help("name the columns: `order by a, b`, or put the query in parentheses: `select * from (…) order by all`"))
}

struct Finder<F> {
    offset_of_end: F,
}

impl<F: Fn(&SetExpr) -> usize> Visitor for Finder<F> {
    /// Where the body ends whose order is asked for.
    type Break = usize;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<usize> {
        let all = query.order_by.as_ref().map(|order| &order.kind);
        match (all, &*query.body) {
            (None | Some(OrderByKind::Expressions(_)), _) | (_, SetExpr::Select(_)) => {
                ControlFlow::Continue(())
            }
            (Some(OrderByKind::All(_)), body) => ControlFlow::Break((self.offset_of_end)(body)),
        }
    }
}
