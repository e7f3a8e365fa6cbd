//! Every function that a statement calls, and where.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, NamedWindowDefinition, Select, Spanned as _, Visit, Visitor,
};

use crate::diagnostic::Span;
use crate::engine::statement::{Statement, normal};

/// One call.
#[derive(Clone, Debug)]
pub(in crate::engine) struct FunctionCall {
    /// Lower case unless quoted.
    pub(in crate::engine) name: String,
    /// The whole call, its `over (…)` left out where the parser does not place it.
    pub(in crate::engine) span: Span,
    /// Number of arguments; `None` for calls without parentheses.
    pub(in crate::engine) arguments: Option<usize>,
    pub(in crate::engine) node: Function,
    /// The `window` clause of the select that it stands in.
    pub(in crate::engine) named_windows: Vec<NamedWindowDefinition>,
}

/// The calls in the order of the syntax tree.
pub(in crate::engine) fn function_calls(statement: &Statement) -> Vec<FunctionCall> {
    let mut finder = Finder {
        statement,
        windows: Vec::new(),
        calls: Vec::new(),
    };
    let _ = statement.query().visit(&mut finder);
    finder.calls
}

struct Finder<'a> {
    statement: &'a Statement,
    windows: Vec<Vec<NamedWindowDefinition>>,
    calls: Vec<FunctionCall>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.windows.push(select.named_window.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.windows.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(node) = expr {
            let name = match node.name.0.last().and_then(|part| part.as_ident()) {
                Some(ident) => normal(ident),
                None => node.name.to_string().to_lowercase(),
            };
            let arguments = match &node.args {
                FunctionArguments::None => None,
                FunctionArguments::Subquery(_) => Some(1),
                FunctionArguments::List(list) => Some(list.args.len()),
            };
            let span = self
                .statement
                .span(node.name.span())
                .map_or_else(|| self.statement.first_word(), |s| self.statement.call(s));
            self.calls.push(FunctionCall {
                name,
                span,
                arguments,
                node: node.clone(),
                named_windows: self.windows.last().cloned().unwrap_or_default(),
            });
        }
        ControlFlow::Continue(())
    }
}
