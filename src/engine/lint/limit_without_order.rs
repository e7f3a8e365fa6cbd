//! `limit 10` and `distinct on (…)` without `order by`: which rows stay is chance.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, LimitClause, Query, SetExpr, Spanned as _, Visit, Visitor,
};
use datafusion::sql::sqlparser::keywords::Keyword;

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic, Span};

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut finder = Finder {
        context,
        existence: Vec::new(),
        found: Vec::new(),
    };
    let _ = context.statement.query().visit(&mut finder);
    finder.found
}

struct Finder<'a> {
    context: &'a LintContext<'a>,
    /// Queries under `exists (…)`: any row will do.
    existence: Vec<*const Query>,
    found: Vec<Diagnostic>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Exists { subquery, .. } = expr {
            self.existence.push(&**subquery);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let for_existence = self.existence.contains(&std::ptr::from_ref(query));
        if query.order_by.is_none() && !for_existence {
            self.look(query);
        }
        ControlFlow::Continue(())
    }
}

impl Finder<'_> {
    fn look(&mut self, query: &Query) {
        let distinct_on = matches!(&*query.body, SetExpr::Select(select)
            if matches!(select.distinct, Some(Distinct::On(_))));
        let limit = match &query.limit_clause {
            Some(LimitClause::LimitOffset {
                limit: None,
                offset: None,
                ..
            }) => None,
            other => other.as_ref(),
        };
        if limit.is_none() && query.fetch.is_none() && !distinct_on {
            return;
        }
        let statement = self.context.statement;
        let body = statement.span(query.body.span());
        let (word, span) = match limit.or(None) {
            _ if distinct_on => (
                "distinct on",
                self.keyword(Keyword::DISTINCT, body.map(|s| s.start)),
            ),
            Some(_) => ("limit", self.keyword(Keyword::LIMIT, body.map(|s| s.end))),
            None => (
                "fetch first",
                self.keyword(Keyword::FETCH, body.map(|s| s.end)),
            ),
        };
        self.found.push(
            Diagnostic::error(
                Code(322),
                format!("`{word}` without `order by` keeps other rows on each run"),
            )
            .at(statement.file(), span)
            .help("add `order by` with an order in which no two rows tie: end it with the key"),
        );
    }

    fn keyword(&self, keyword: Keyword, from: Option<usize>) -> Span {
        let statement = self.context.statement;
        let found = from.and_then(|from| statement.keyword(keyword, from));
        found
            .or_else(|| statement.keyword(keyword, 0))
            .unwrap_or_else(|| statement.first_word())
    }
}
