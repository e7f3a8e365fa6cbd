//! Expressions: what their value is made of, given what the columns around them are made of.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::{
    AggregateFunction, HigherOrderFunction, ScalarFunction, WindowFunction,
};
use datafusion::logical_expr::{Expr, ExprSchemable, SortExpr, Subquery, WindowFunctionDefinition};
use datafusion::scalar::ScalarValue;

use super::relation::{Recursions, Relation, Surroundings, position, relation};
use super::{How, Origins, ValueLineage};
use crate::engine::sql_function;

/// Aggregates that say how many values there are, and nothing of the values.
const COUNTING: [&str; 3] = ["count", "approx_distinct", "regr_count"];

/// What an expression may name.
pub(super) struct Scope<'a> {
    inputs: Vec<(&'a DFSchema, &'a [ValueLineage])>,
    /// Arguments of functions that the project writes, and variables of lambdas.
    named: BTreeMap<&'a str, ValueLineage>,
    /// The rows of the tables below: what `count(*)` counts.
    counted: Origins,
    outer: Option<&'a Scope<'a>>,
    recursions: Recursions,
}

impl<'a> Scope<'a> {
    /// The columns of one input.
    pub(super) fn of(schema: &'a DFSchema, input: &'a Relation, around: &Surroundings<'a>) -> Self {
        Self {
            inputs: vec![(schema, &input.columns)],
            named: BTreeMap::new(),
            counted: input.counted.clone(),
            outer: around.outer,
            recursions: around.recursions.clone(),
        }
    }

    /// The columns of both sides of a join.
    pub(super) fn of_two(
        left: (&'a DFSchema, &'a Relation),
        right: (&'a DFSchema, &'a Relation),
        around: &Surroundings<'a>,
    ) -> Self {
        let mut scope = Self::of(left.0, left.1, around);
        scope.inputs.push((right.0, &right.1.columns));
        scope
    }

    fn with_names(outer: &'a Scope<'a>, named: BTreeMap<&'a str, ValueLineage>) -> Self {
        Self {
            inputs: Vec::new(),
            named,
            counted: Origins::default(),
            outer: Some(outer),
            recursions: outer.recursions.clone(),
        }
    }

    fn column(&self, column: &Column) -> Option<ValueLineage> {
        let found = self.inputs.iter().find_map(|(schema, columns)| {
            let index = position(schema, column)?;
            columns.get(index).cloned()
        });
        found
            .or_else(|| self.named.get(column.name.as_str()).cloned())
            .or_else(|| self.outer?.column(column))
    }

    fn variable(&self, name: &str) -> Option<ValueLineage> {
        let own = self.named.get(name).cloned();
        own.or_else(|| self.outer?.variable(name))
    }

    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        let own = self.inputs.iter();
        let mut types = own.filter_map(|(schema, _)| expr.get_type(*schema).ok());
        types.next().or_else(|| self.outer?.type_of(expr))
    }

    /// What is known of a subquery that stands in this scope.
    fn subquery(&self, subquery: &Subquery) -> Relation {
        let around = Surroundings {
            outer: Some(self),
            recursions: self.recursions.clone(),
        };
        relation(&subquery.subquery, &around)
    }
}

/// Everything in an expression, where it only decides.
pub(super) fn deciding(expr: &Expr, how: How, scope: &Scope<'_>) -> Origins {
    value(expr, scope).origins.deciding(how)
}

/// What the value of an expression is made of.
pub(super) fn value(expr: &Expr, scope: &Scope<'_>) -> ValueLineage {
    match expr {
        Expr::Alias(alias) => value(&alias.expr, scope),
        Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => {
            scope.column(column).unwrap_or_default()
        }
        Expr::LambdaVariable(variable) => scope.variable(&variable.name).unwrap_or_default(),
        // an element of a list
        Expr::Unnest(unnest) => value(&unnest.expr, scope),
        Expr::Cast(cast) => cast_value(&cast.expr, cast.field.data_type(), scope),
        Expr::TryCast(cast) => cast_value(&cast.expr, cast.field.data_type(), scope),
        Expr::ScalarFunction(call) => scalar(call, scope),
        Expr::AggregateFunction(call) => aggregate(call, scope),
        Expr::WindowFunction(call) => window(call, scope),
        Expr::HigherOrderFunction(call) => higher_order(call, scope),
        Expr::ScalarSubquery(subquery) => {
            let found = scope.subquery(subquery);
            let mut first = found.columns.into_iter().next().unwrap_or_default();
            first.origins.extend(&found.rows);
            first
        }
        Expr::Exists(exists) => {
            // what it selects does not matter, only whether a row is there
            let found = scope.subquery(&exists.subquery);
            let mut origins = found.counted;
            origins.extend(&found.rows);
            ValueLineage::of(origins)
        }
        Expr::InSubquery(within) => {
            let mut origins = is_among(&within.expr, &within.subquery, scope);
            origins = origins.through(How::Computed);
            ValueLineage::of(origins)
        }
        Expr::SetComparison(comparison) => {
            let mut origins = is_among(&comparison.expr, &comparison.subquery, scope);
            origins = origins.through(How::Computed);
            ValueLineage::of(origins)
        }
        other => ValueLineage::of(parts(other, scope).through(How::Computed)),
    }
}

fn is_among(expr: &Expr, subquery: &Subquery, scope: &Scope<'_>) -> Origins {
    let mut origins = value(expr, scope).origins;
    let found = scope.subquery(subquery);
    for column in &found.columns {
        origins.extend(&column.origins);
    }
    origins.extend(&found.rows);
    origins
}

/// Of every part of an expression.
fn parts(expr: &Expr, scope: &Scope<'_>) -> Origins {
    let mut origins = Origins::default();
    let _all = expr.apply_children(|part| {
        origins.extend(&value(part, scope).origins);
        Ok(TreeNodeRecursion::Continue)
    });
    origins
}

fn all(exprs: &[Expr], scope: &Scope<'_>) -> Origins {
    let mut origins = Origins::default();
    for expr in exprs {
        origins.extend(&value(expr, scope).origins);
    }
    origins
}

fn cast_value(expr: &Expr, to: &DataType, scope: &Scope<'_>) -> ValueLineage {
    let mut inner = value(expr, scope);
    let from = scope.type_of(expr);
    if !from.is_some_and(|from| keeps_every_value(&from, to)) {
        inner = ValueLineage::of(inner.origins.through(How::Computed));
    }
    inner
}

/// Whether a cast only widens, as those that coercion puts in do.
fn keeps_every_value(from: &DataType, to: &DataType) -> bool {
    let bits = |data_type: &DataType| data_type.primitive_width().unwrap_or_default();
    let digits = |data_type: &DataType| match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    };
    if from == to || from.is_null() || (from.is_string() && to.is_string()) {
        return true;
    }
    if let (Some((precision, scale)), Some((wider, finer))) = (digits(from), digits(to)) {
        let whole = i16::from(precision) - i16::from(scale);
        return finer >= scale && i16::from(wider) - i16::from(finer) >= whole;
    }
    let same_sign = (from.is_signed_integer() && to.is_signed_integer())
        || (from.is_unsigned_integer() && to.is_integer());
    let stays_whole = same_sign && bits(from) <= bits(to);
    let becomes_decimal = from.is_integer() && digits(to).is_some();
    stays_whole
        || becomes_decimal
        || matches!((from, to), (DataType::Date32, DataType::Timestamp(..)))
}

fn scalar(call: &ScalarFunction, scope: &Scope<'_>) -> ValueLineage {
    if let Some((parameters, body)) = sql_function::body(&call.func) {
        let arguments = call.args.iter().map(|arg| value(arg, scope));
        let named = parameters.map(|name| name.as_str()).zip(arguments);
        return value(body, &Scope::with_names(scope, named.collect()));
    }
    match call.func.name() {
        "get_field" => get_field(&call.args, scope),
        "named_struct" => {
            let pairs = call.args.chunks_exact(2);
            let fields = pairs.filter_map(|pair| Some((text(&pair[0])?, value(&pair[1], scope))));
            structure(fields.collect())
        }
        "struct" => {
            let fields = call.args.iter().enumerate();
            let fields = fields.map(|(index, arg)| (format!("c{index}"), value(arg, scope)));
            structure(fields.collect())
        }
        _ => ValueLineage::of(all(&call.args, scope).through(How::Computed)),
    }
}

fn structure(fields: BTreeMap<String, ValueLineage>) -> ValueLineage {
    let mut origins = Origins::default();
    for field in fields.values() {
        origins.extend(&field.origins);
    }
    ValueLineage {
        origins: origins.through(How::Computed),
        fields,
    }
}

/// `get_field(value, 'a', 'b')`: the field `b` of the field `a`.
fn get_field(args: &[Expr], scope: &Scope<'_>) -> ValueLineage {
    let Some((whole, names)) = args.split_first() else {
        return ValueLineage::default();
    };
    let mut field = value(whole, scope);
    for name in names {
        field = match text(name) {
            Some(name) => field.field(&name),
            None => {
                let mut origins = field.origins;
                origins.extend(&value(name, scope).origins);
                ValueLineage::of(origins.through(How::Computed))
            }
        };
    }
    field
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text),
            _,
        ) => text.clone(),
        _ => None,
    }
}

fn aggregate(call: &AggregateFunction, scope: &Scope<'_>) -> ValueLineage {
    let params = &call.params;
    let mut origins = of_rows(call.func.name(), &params.args, scope);
    add_conditions(
        &mut origins,
        params.filter.as_deref(),
        &params.order_by,
        scope,
    );
    ValueLineage::of(origins)
}

fn window(call: &WindowFunction, scope: &Scope<'_>) -> ValueLineage {
    let params = &call.params;
    let mut origins = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => {
            of_rows(function.name(), &params.args, scope)
        }
        // of one other row, or of the position alone
        WindowFunctionDefinition::WindowUDF(_) => all(&params.args, scope).through(How::Computed),
    };
    for expr in &params.partition_by {
        origins.extend(&deciding(expr, How::Groups, scope));
    }
    add_conditions(
        &mut origins,
        params.filter.as_deref(),
        &params.order_by,
        scope,
    );
    ValueLineage::of(origins)
}

/// Of the arguments of an aggregate.
fn of_rows(function: &str, args: &[Expr], scope: &Scope<'_>) -> Origins {
    let counts = COUNTING.contains(&function);
    let of_no_column = args.iter().all(|arg| matches!(arg, Expr::Literal(..)));
    if counts && of_no_column {
        return scope.counted.clone();
    }
    let how = if counts {
        How::Counted
    } else {
        How::Aggregated
    };
    all(args, scope).through(how)
}

fn add_conditions(
    origins: &mut Origins,
    filter: Option<&Expr>,
    order: &[SortExpr],
    scope: &Scope<'_>,
) {
    if let Some(filter) = filter {
        origins.extend(&deciding(filter, How::Filters, scope));
    }
    for sort in order {
        origins.extend(&deciding(&sort.expr, How::Orders, scope));
    }
}

/// `list_transform(list, x -> …)`: the variables are elements of the lists.
fn higher_order(call: &HigherOrderFunction, scope: &Scope<'_>) -> ValueLineage {
    let is_lambda = |arg: &&Expr| matches!(arg, Expr::Lambda(_));
    let mut elements = ValueLineage::default();
    for (index, list) in call.args.iter().filter(|arg| !is_lambda(arg)).enumerate() {
        let list = value(list, scope);
        match index {
            0 => elements = list,
            _ => elements.or(&list),
        }
    }
    let mut origins = elements.origins.clone();
    for arg in &call.args {
        if let Expr::Lambda(lambda) = arg {
            let variables = lambda.params.iter();
            let named = variables.map(|name| (name.as_str(), elements.clone()));
            let within = Scope::with_names(scope, named.collect());
            origins.extend(&value(&lambda.body, &within).origins);
        }
    }
    ValueLineage::of(origins.through(How::Computed))
}
