//! Functions that a project writes in SQL: `sql/functions/*.sql` → functions of the registry.
//!
//!   files → definitions → in order of who calls whom: body analysed over its arguments → registered
//!
//! A function is an expression of its arguments: no query, no aggregate, no variable, no time. So a call means the same
//! wherever it stands, and its body takes its place in the plan. A definition with a mistake is registered all the same,
//! with its types, so that its callers are not blamed for it.

mod udf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF, cast, lit};
use datafusion::scalar::ScalarValue;

use super::analysis::{FunctionCall, InputTable, Question, analyse, function_calls};
use super::clock_functions::CLOCK_NAMES;
use super::function_registry::FunctionRegistry;
use super::statement::{ARGUMENTS, Definition, TableUse, definitions};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceFile, Span};
use crate::error::{Error, Result};
use crate::name::is_identifier;
use udf::{SqlUdf, unqualified};

/// What a project's functions are, beside being callable.
#[derive(Debug, Default)]
pub(crate) struct SqlFunctions {
    by_name: BTreeMap<String, SqlFunction>,
    /// Mistakes and doubts in their files.
    pub(crate) found: Vec<Diagnostic>,
}

#[derive(Debug)]
struct SqlFunction {
    udf: Arc<ScalarUDF>,
    canonical: String,
    /// Every function that its body calls, by its one name.
    calls: BTreeSet<String>,
}

impl SqlFunctions {
    /// For sessions that run statements.
    pub(crate) fn udfs(&self) -> Vec<Arc<ScalarUDF>> {
        let functions = self.by_name.values();
        functions
            .map(|function| Arc::clone(&function.udf))
            .collect()
    }

    /// What functions stand for: the canonical text of those written in SQL, by name, and every function that is called in
    /// the end.
    pub(crate) fn within(
        &self,
        functions: &BTreeSet<String>,
    ) -> (BTreeMap<&str, &str>, BTreeSet<String>) {
        let mut texts = BTreeMap::new();
        let mut all = BTreeSet::new();
        let mut open: Vec<&str> = functions.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if !all.insert(name.to_string()) {
                continue;
            }
            if let Some((name, function)) = self.by_name.get_key_value(name) {
                texts.insert(name.as_str(), function.canonical.as_str());
                open.extend(function.calls.iter().map(String::as_str));
            }
        }
        (texts, all)
    }
}

/// What a function of the project stands for: the names of its parameters, and its body over columns named so.
pub(super) fn body(function: &ScalarUDF) -> Option<(impl Iterator<Item = &String>, &Expr)> {
    let function = function.inner().downcast_ref::<SqlUdf>()?;
    let parameters = function.parameters.iter();
    Some((parameters.map(|parameter| &parameter.name), &function.body))
}

/// Compiles the functions of these files into a registry.
///
/// # Errors
/// `Internal` where DataFusion refuses a function; mistakes of the files are in [`SqlFunctions::found`].
pub(super) fn compile(
    registry: &mut FunctionRegistry,
    files: &[Arc<SourceFile>],
) -> Result<SqlFunctions> {
    let mut functions = SqlFunctions::default();
    let mut waiting = read(registry, files, &mut functions.found);
    while !waiting.is_empty() {
        let names: BTreeSet<&str> = waiting.keys().map(String::as_str).collect();
        let ready = waiting.iter().find(|(_, waits)| {
            waits
                .calls
                .iter()
                .all(|call| !names.contains(call.name.as_str()))
        });
        let (name, in_circle) = match ready {
            Some((name, _)) => (name.clone(), None),
            None => {
                let circle = circle(&waiting);
                (circle.first().cloned().unwrap_or_default(), Some(circle))
            }
        };
        let Some(Waiting { definition, calls }) = waiting.remove(&name) else {
            return Err(Error::internal("functions cannot be ordered"));
        };
        let body = match in_circle {
            Some(circle) => Err(vec![circle_mistake(&definition, &circle)]),
            None => typed_body(registry, &definition, &calls, &mut functions.found),
        };
        let returns = definition.returns.arrow();
        let body = body.unwrap_or_else(|mistakes| {
            functions.found.extend(mistakes);
            cast(lit(ScalarValue::Null), returns.clone())
        });
        let udf = SqlUdf {
            name: name.clone(),
            parameters: definition.parameters.clone(),
            returns,
            body,
            canonical: definition.canonical.clone(),
            signature: SqlUdf::signature(),
        }
        .into_udf();
        registry
            .register(Arc::clone(&udf))
            .map_err(super::failure)?;
        let calls = calls
            .iter()
            .filter_map(|call| registry.canonical_name(&call.name));
        functions.by_name.insert(
            name,
            SqlFunction {
                udf,
                canonical: definition.canonical,
                calls: calls.collect(),
            },
        );
    }
    Ok(functions)
}

/// A definition that is not compiled yet.
struct Waiting {
    definition: Definition,
    calls: Vec<FunctionCall>,
}

fn read(
    registry: &FunctionRegistry,
    files: &[Arc<SourceFile>],
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Waiting> {
    let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
    for file in files {
        let definitions = definitions(file).unwrap_or_else(|mistake| {
            found.push(*mistake);
            Vec::new()
        });
        for definition in definitions {
            let name = definition.name.clone();
            let mistake = |message: String, help: String| {
                Diagnostic::error(Code(341), message)
                    .at(file, definition.name_span)
                    .help(help)
            };
            if !is_identifier(&name) {
                found.push(mistake(
                    format!(
                        "`{name}` is not a name: lower-case letters, digits and `_`, a letter first"
                    ),
                    "rename it".into(),
                ));
            } else if registry.names().contains(&name) {
                found.push(mistake(
                    format!("`{name}` is a function of kilde already"),
                    "call yours something else: a name means one thing everywhere".into(),
                ));
            } else if let Some(first) = waiting.get(&name) {
                let (line, _) = first
                    .definition
                    .body
                    .file()
                    .position(first.definition.name_span.start);
                found.push(mistake(
                    format!("function `{name}` is defined twice"),
                    format!(
                        "{}:{line} defines it too: keep one",
                        first.definition.body.file().path
                    ),
                ));
            } else {
                let calls = function_calls(&definition.body);
                waiting.insert(name, Waiting { definition, calls });
            }
        }
    }
    waiting
}

/// The body over columns named as the parameters, of the type that is returned.
fn typed_body(
    registry: &FunctionRegistry,
    definition: &Definition,
    calls: &[FunctionCall],
    found: &mut Vec<Diagnostic>,
) -> std::result::Result<Expr, Vec<Diagnostic>> {
    let refused = refused_in_body(registry, definition, calls);
    if !refused.is_empty() {
        return Err(refused);
    }
    let table = ARGUMENTS.parse().map_err(|_| Vec::new())?;
    let fields = definition.parameters.iter();
    let fields = fields.map(|p| Field::new(&p.name, p.data_type.arrow(), true));
    let arguments = InputTable {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        not_null: BTreeSet::new(),
        unique: Vec::new(),
    };
    let uses = [TableUse {
        table,
        span: definition.name_span,
    }];
    let analysis = analyse(&Question {
        statement: &definition.body,
        uses: &uses,
        tables: &BTreeMap::from([(uses[0].table.clone(), arguments)]),
        vars: &BTreeMap::new(),
        as_of: DateTime::UNIX_EPOCH,
        time_zone: chrono_tz::UTC,
        functions: registry,
        is_published: false,
    })?;
    found.extend(
        analysis
            .warnings
            .iter()
            .filter(|d| d.severity == Severity::Warning)
            .cloned(),
    );
    let mistake = |message: String, help: &str| {
        let diagnostic = Diagnostic::error(Code(342), message);
        vec![
            diagnostic
                .at(definition.body.file(), definition.body_span)
                .help(help),
        ]
    };
    let LogicalPlan::Projection(projection) = &analysis.plan else {
        return Err(mistake(
            "the body of a function is computed of one row alone".into(),
            "aggregates and windows belong into the query that calls it",
        ));
    };
    let (Some(expr), Some(field)) = (projection.expr.first(), projection.schema.fields().first())
    else {
        return Err(mistake(
            "the body yields nothing".into(),
            "write an expression",
        ));
    };
    let given = crate::column_type::ColumnType::of_arrow(field.data_type());
    let returns = definition.returns.arrow();
    let is_text = field.data_type().is_string();
    if (is_text != returns.is_string() && !field.data_type().is_null())
        || given.is_none() && !field.data_type().is_null()
    {
        let given = given.map_or_else(|| field.data_type().to_string(), |given| given.to_string());
        return Err(mistake(
            format!(
                "the body is {given}, and `{}` returns {}",
                definition.name, definition.returns
            ),
            "cast it, or correct what the function returns",
        ));
    }
    let expr = unqualified(expr.clone().unalias()).map_err(|_| Vec::new())?;
    Ok(if *field.data_type() == returns {
        expr
    } else {
        cast(expr, returns)
    })
}

/// What would make a call mean something else elsewhere.
fn refused_in_body(
    registry: &FunctionRegistry,
    definition: &Definition,
    calls: &[FunctionCall],
) -> Vec<Diagnostic> {
    let at = |span: Span, message: String, help: &str| {
        let diagnostic = Diagnostic::error(Code(342), message);
        diagnostic.at(definition.body.file(), span).help(help)
    };
    let mut found = Vec::new();
    for placeholder in definition.body.placeholders() {
        found.push(at(
            placeholder.span,
            format!(
                "a function knows its arguments alone, not `${}`",
                placeholder.name
            ),
            "add an argument, and give it where the function is called",
        ));
    }
    for call in calls {
        if CLOCK_NAMES.contains(&call.name.as_str()) {
            found.push(at(
                call.span,
                format!(
                    "a function knows its arguments alone, not the time: `{}`",
                    call.name
                ),
                "add an argument `at timestamp`, and give `$as_of` where the function is called",
            ));
        } else if call.node.over.is_some() || registry.is_aggregate(&call.name) {
            found.push(at(
                call.span,
                format!(
                    "`{}` needs many rows, and a function is computed of one",
                    call.name
                ),
                "aggregates and windows belong into the query that calls it",
            ));
        }
    }
    found
}

/// Functions that call each other, from the first by name; each calls the next.
fn circle(waiting: &BTreeMap<String, Waiting>) -> Vec<String> {
    let mut path: Vec<String> = waiting.keys().take(1).cloned().collect();
    loop {
        let next = path.last().and_then(|last| {
            let calls = waiting.get(last)?.calls.iter();
            let mut called = calls.filter(|call| waiting.contains_key(&call.name));
            called.next().map(|call| call.name.clone())
        });
        let Some(next) = next else {
            return path;
        };
        if let Some(start) = path.iter().position(|name| *name == next) {
            return path.split_off(start);
        }
        path.push(next);
    }
}

fn circle_mistake(definition: &Definition, circle: &[String]) -> Diagnostic {
    let message = match circle {
        [one] => format!("`{one}` calls itself"),
        several => {
            let path: Vec<String> = several
                .iter()
                .chain(circle.first())
                .map(|n| format!("`{n}`"))
                .collect();
            format!(
                "functions call each other in a circle: {}",
                path.join(" → ")
            )
        }
    };
    Diagnostic::error(Code(343), message)
        .at(definition.body.file(), definition.name_span)
        .help("a function stands for its expression, so it has to end: write the inner one out")
}
