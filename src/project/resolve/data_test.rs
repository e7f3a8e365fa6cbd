//! `data_tests:` → [`DataTest`]s whose columns exist and whose values are of their columns' types.

use super::super::raw::{
    ColumnName, Mistake, RawColumnTest, RawKeeps, RawRowCount, RawSqlTest, RawTableTest,
    RawTestSettings, Sink,
};
use super::super::{ColumnType, DataTest, Spanned, TestKind, jinja};
use super::contract::Check;
use super::value;
use crate::diagnostic::Span;
use crate::name::TableName;

/// A test that speaks of another table; which columns it means there is settled once every contract is known.
#[derive(Debug)]
pub(super) struct Reference {
    /// Which of the contract's tests.
    pub(super) test: usize,
    pub(super) to: Spanned<TableName>,
    /// Columns of the other table, as written; may be empty.
    pub(super) fields: Vec<Spanned<ColumnName>>,
    /// Types of this table's columns, where known.
    pub(super) types: Vec<Option<ColumnType>>,
}

/// Adds a test, once what it says of an action can be meant.
fn add(
    check: &mut Check<'_>,
    settings: RawTestSettings,
    kind: TestKind,
    span: Span,
    tests: &mut Vec<DataTest>,
) {
    if let Some(action) = &settings.action {
        let is_test = settings.severity.is_some()
            || settings.at_most.is_some()
            || settings.condition.is_some();
        let mistake = if matches!(kind, TestKind::Unique { .. }) {
            Some((
                "`unique` compares rows: no record breaks it alone",
                "remove `action`; `severity: warn` reports and goes on",
            ))
        } else if is_test {
            Some((
                "a rule with an `action` is held by each record as it comes, and is no test of the table",
                "keep `action`, or `severity`, `at_most` and `where`",
            ))
        } else {
            None
        };
        if let Some((message, help)) = mistake {
            check.report(action.span, Mistake::new(464, message).help(help));
        }
    }
    tests.push(DataTest {
        kind,
        severity: settings.severity.unwrap_or_default(),
        at_most: settings.at_most,
        condition: settings.condition,
        action: settings.action.map(|action| action.value),
        span,
    });
}

/// Adds a column's test.
pub(super) fn of_column(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    test: Spanned<RawColumnTest>,
    tests: &mut Vec<DataTest>,
    references: &mut Vec<Reference>,
) {
    let span = test.span;
    let own = std::slice::from_ref(column);
    let (settings, kind) = match test.value {
        RawColumnTest::NotNull(raw) => {
            let column = column.value.0.clone();
            (raw.rule(), TestKind::NotNull { column })
        }
        RawColumnTest::Unique(raw) => (raw.rule(), unique(check, own, span)),
        RawColumnTest::AcceptedValues(raw) => {
            (raw.rule(), accepted_values(check, column, raw.values.0))
        }
        RawColumnTest::Matches(raw) => (raw.rule(), matches(check, column, raw.pattern.0, span)),
        RawColumnTest::Range(raw) => (raw.rule(), range(check, column, (raw.min, raw.max), span)),
        RawColumnTest::Relationships(raw) => {
            let settings = raw.settings();
            let fields = raw.field.into_iter().collect();
            references.push(reference(check, own, &raw.to, fields, tests.len()));
            (settings, relationships(own, raw.to))
        }
    };
    add(check, settings, kind, span, tests);
}

/// Adds a table's test; `not_null` of several columns becomes one test a column.
pub(super) fn of_table(
    check: &mut Check<'_>,
    test: Spanned<RawTableTest>,
    tests: &mut Vec<DataTest>,
    references: &mut Vec<Reference>,
) {
    let span = test.span;
    let (settings, kind) = match test.value {
        RawTableTest::NotNull(raw) => {
            for column in &raw.columns.0 {
                check.column(column);
                let column = column.value.0.clone();
                add(check, raw.rule(), TestKind::NotNull { column }, span, tests);
            }
            return;
        }
        RawTableTest::Unique(raw) => (raw.rule(), unique(check, &raw.columns.0, span)),
        RawTableTest::AcceptedValues(raw) => (
            raw.rule(),
            accepted_values(check, &raw.column, raw.values.0),
        ),
        RawTableTest::Matches(raw) => {
            let blamed = raw.column.span;
            (
                raw.rule(),
                matches(check, &raw.column, raw.pattern.0, blamed),
            )
        }
        RawTableTest::Range(raw) => (
            raw.rule(),
            range(check, &raw.column, (raw.min, raw.max), span),
        ),
        RawTableTest::Relationships(raw) => {
            let (settings, columns) = (raw.settings(), &raw.columns.0);
            references.push(reference(
                check,
                columns,
                &raw.to,
                raw.fields.0,
                tests.len(),
            ));
            (settings, relationships(columns, raw.to))
        }
        RawTableTest::RowCount(raw) => {
            let settings = RawTestSettings {
                severity: raw.severity,
                ..RawTestSettings::default()
            };
            (settings, row_count(check, raw, span))
        }
        RawTableTest::Keeps(raw) => {
            let kind = keeps(check, &raw, tests.len(), span, references);
            let settings = RawTestSettings {
                severity: raw.severity,
                at_most: raw.at_most,
                condition: raw.condition,
                action: None,
            };
            (settings, kind)
        }
        RawTableTest::Sql(RawSqlTest(raw)) => {
            let mut sink = Sink::new(check.file);
            jinja::refuse(&raw.query.value, raw.query.span, &mut sink);
            check.adopt(sink.found);
            let settings = RawTestSettings {
                severity: raw.severity,
                at_most: raw.at_most,
                ..RawTestSettings::default()
            };
            let kind = TestKind::Sql {
                query_span: raw.query.span,
                query: raw.query.value,
            };
            (settings, kind)
        }
    };
    add(check, settings, kind, span, tests);
}

fn names(columns: &[Spanned<ColumnName>]) -> Vec<String> {
    let columns = columns.iter();
    columns.map(|column| column.value.0.clone()).collect()
}

fn unique(check: &mut Check<'_>, columns: &[Spanned<ColumnName>], span: Span) -> TestKind {
    refuse_nested(check, columns, span);
    TestKind::Unique {
        columns: names(columns),
    }
}

/// Only plain values are told apart.
fn refuse_nested(check: &mut Check<'_>, columns: &[Spanned<ColumnName>], span: Span) {
    for column in columns {
        if let Some(data_type @ (ColumnType::List(_) | ColumnType::Struct(_))) =
            check.column(column)
        {
            misfit(check, "unique", column, &data_type, span);
        }
    }
}

fn matches(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    pattern: String,
    span: Span,
) -> TestKind {
    match check.column(column) {
        None | Some(ColumnType::Varchar) => {}
        Some(data_type) => misfit(check, "matches", column, &data_type, span),
    }
    TestKind::Matches {
        column: column.value.0.clone(),
        pattern,
    }
}

/// What has to be settled once the other table is known.
fn reference(
    check: &mut Check<'_>,
    columns: &[Spanned<ColumnName>],
    to: &Spanned<TableName>,
    fields: Vec<Spanned<ColumnName>>,
    test: usize,
) -> Reference {
    Reference {
        test,
        to: to.clone(),
        fields,
        types: columns.iter().map(|column| check.column(column)).collect(),
    }
}

fn relationships(columns: &[Spanned<ColumnName>], to: Spanned<TableName>) -> TestKind {
    TestKind::Relationships {
        columns: names(columns),
        to: to.value,
        fields: Vec::new(),
    }
}

fn misfit(
    check: &mut Check<'_>,
    test: &str,
    column: &Spanned<ColumnName>,
    data_type: &ColumnType,
    span: Span,
) {
    let help = match test {
        "matches" => "`matches` looks at text: use `range` or `accepted_values`",
        "range" => "`range` needs values with an order: numbers, dates, times, text",
        _ => "test what is in it with `sql`",
    };
    let mistake = Mistake::new(
        127,
        format!(
            "`{test}` does not fit `{}`, which is `{data_type}`",
            column.value.0
        ),
    );
    check.report(span, mistake.help(help));
}

fn accepted_values(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    values: Vec<Spanned<String>>,
) -> TestKind {
    if let Some(data_type) = check.column(column) {
        for value in &values {
            fits(check, value, column, &data_type);
        }
    }
    TestKind::AcceptedValues {
        column: column.value.0.clone(),
        values: values.into_iter().map(|value| value.value).collect(),
    }
}

fn fits(
    check: &mut Check<'_>,
    value: &Spanned<String>,
    column: &Spanned<ColumnName>,
    data_type: &ColumnType,
) -> bool {
    let Err(expected) = value::check(&value.value, data_type) else {
        return true;
    };
    let mistake = Mistake::new(
        128,
        format!(
            "`{}` is not a value of `{}`, which is `{data_type}`",
            value.value, column.value.0
        ),
    );
    check.report(value.span, mistake.help(format!("expected {expected}")));
    false
}

fn range(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    (min, max): (Option<Spanned<String>>, Option<Spanned<String>>),
    span: Span,
) -> TestKind {
    if min.is_none() && max.is_none() {
        let mistake = Mistake::new(106, "`range` needs `min` or `max`");
        check.report(span, mistake.help("for example `range: {min: 0}`"));
    }
    match check.column(column) {
        None => {}
        Some(data_type @ (ColumnType::List(_) | ColumnType::Struct(_) | ColumnType::Boolean)) => {
            misfit(check, "range", column, &data_type, span);
        }
        Some(data_type) => {
            let mut whole = true;
            for bound in [&min, &max].into_iter().flatten() {
                whole &= fits(check, bound, column, &data_type);
            }
            if let (true, Some(low), Some(high)) = (whole, &min, &max)
                && value::compare(&low.value, &high.value, &data_type)
                    .is_some_and(std::cmp::Ordering::is_gt)
            {
                let mistake = Mistake::new(127, "`max` lies below `min`: no value can pass");
                check.report(high.span, mistake);
            }
        }
    }
    TestKind::Range {
        column: column.value.0.clone(),
        min: min.map(|bound| bound.value),
        max: max.map(|bound| bound.value),
    }
}

/// Another table must have the columns, of kinds that compare; that is settled once every contract is known.
fn keeps(
    check: &mut Check<'_>,
    raw: &RawKeeps,
    test: usize,
    span: Span,
    references: &mut Vec<Reference>,
) -> TestKind {
    let columns = match raw.columns.0.as_slice() {
        [] => check.key().to_vec(),
        columns => columns.to_vec(),
    };
    if columns.is_empty() {
        let mistake = Mistake::new(106, "`keeps` needs `columns`, since the table has no `key`");
        check.report(
            span,
            mistake.help("name the columns that hold the key in both tables"),
        );
    }
    refuse_nested(check, &columns, span);
    if raw.keys_of.value != *check.table() && !columns.is_empty() {
        let fields = columns.clone();
        references.push(reference(check, &columns, &raw.keys_of, fields, test));
    }
    TestKind::Keeps {
        columns: names(&columns),
        keys_of: raw.keys_of.value.clone(),
    }
}

fn row_count(check: &mut Check<'_>, raw: RawRowCount, span: Span) -> TestKind {
    let (min, max) = (raw.min, raw.max);
    if min.is_none() && max.is_none() && raw.change.is_none() {
        let mistake = Mistake::new(106, "`row_count` needs `min`, `max` or `change`");
        check.report(span, mistake.help("for example `row_count: {min: 1}`"));
    }
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        check.report(
            span,
            Mistake::new(127, "`max` lies below `min`: no table can pass"),
        );
    }
    let change = raw.change.and_then(|change| change.0);
    TestKind::RowCount { min, max, change }
}
