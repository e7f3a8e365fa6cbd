//! `now()`, `current_timestamp`, `today()` and `current_date`: what the release speaks of, never the wall clock.
//!
//! In: the build's `$as_of`. Out: functions that answer with it, the same on every thread and in every batch.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// Names under which a statement asks for the time; each makes its table depend on `$as_of`.
pub(super) const CLOCK_NAMES: [&str; 4] = ["now", "current_timestamp", "current_date", "today"];

/// DataFusion's functions that read the machine's clock and that we do not answer.
const UNANSWERED: [&str; 1] = ["current_time"];

/// Puts the functions of an instant in place of DataFusion's, and takes away those that would read the machine's clock.
///
/// # Errors
/// Where DataFusion refuses them.
pub(crate) fn register_clock_functions(
    registry: &mut dyn FunctionRegistry,
    as_of: DateTime<Utc>,
    time_zone: Tz,
) -> Result<()> {
    for name in UNANSWERED {
        registry.deregister_udf(name)?;
    }
    let instant =
        ScalarValue::TimestampMicrosecond(Some(as_of.timestamp_micros()), Some(Arc::from("UTC")));
    let date = as_of.with_timezone(&time_zone).date_naive();
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    let today = ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX)));
    for (name, alias, answer) in [
        ("now", "current_timestamp", instant),
        ("current_date", "today", today),
    ] {
        registry.register_udf(Arc::new(ScalarUDF::from(ClockFunction {
            name,
            aliases: vec![alias.to_string()],
            answer,
            signature: Signature::nullary(Volatility::Stable),
        })))?;
    }
    Ok(())
}

/// The type of `$as_of`.
#[cfg(test)]
pub(super) fn instant_type() -> DataType {
    use datafusion::arrow::datatypes::TimeUnit;
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A function without arguments and with one answer.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ClockFunction {
    name: &'static str,
    aliases: Vec<String>,
    answer: ScalarValue,
    signature: Signature,
}

impl ScalarUDFImpl for ClockFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.answer.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.answer.clone()))
    }

    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(
            self.answer.clone(),
            None,
        )))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use datafusion::execution::session_state::SessionStateBuilder;

    use super::*;

    #[test]
    fn today_is_the_date_in_the_projects_time_zone() {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test of what sessions are given"
        )]
        let mut state = SessionStateBuilder::new().with_default_features().build();
        // midnight that began 2 March in Stockholm
        let as_of = Utc.with_ymd_and_hms(2026, 3, 1, 23, 0, 0).unwrap();
        register_clock_functions(&mut state, as_of, chrono_tz::Europe::Stockholm).unwrap();
        let functions = state.scalar_functions();
        assert!(!functions.contains_key("current_time"));
        let answer = |name: &str| {
            let function = Arc::clone(&functions[name]);
            match function
                .simplify(vec![], &SimplifyContext::default())
                .unwrap()
            {
                ExprSimplifyResult::Simplified(Expr::Literal(value, _)) => value.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(answer("today"), "2026-03-02");
        assert_eq!(answer("current_date"), "2026-03-02");
        assert_eq!(answer("now"), as_of.timestamp_micros().to_string());
        assert_eq!(functions["current_timestamp"].name(), "now");
    }
}
