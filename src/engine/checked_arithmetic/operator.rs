//! An operator as a function that fails where its result does not fit, or is larger than a text may be.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Datum};
use datafusion::arrow::compute::kernels::concat_elements::concat_elements_dyn;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::logical_expr_common::type_coercion::binary::BinaryTypeCoercer;
use datafusion::physical_expr_common::datum::apply;

use crate::column_type::ColumnType;
use crate::diagnostic::Code;
use crate::engine::udf::{lengths, refuse_beyond};
use crate::error::Error;

/// `+`, `-`, `*` or `||` of two values, or `-` before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Checked {
    Binary(Operator),
    Negative,
}

/// What an operator gives of two types.
pub(super) fn result_type(left: &DataType, op: Operator, right: &DataType) -> Result<DataType> {
    BinaryTypeCoercer::new(left, &op, right).get_result_type()
}

impl Checked {
    pub(super) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(CheckedOperator {
            checked: self,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Binary(Operator::Plus) => "+",
            Self::Binary(Operator::Multiply) => "*",
            Self::Binary(Operator::StringConcat) => "||",
            Self::Binary(_) | Self::Negative => "-",
        }
    }

    fn compute(self, args: &[ColumnarValue], rows: usize) -> Result<ColumnarValue> {
        if let (Self::Binary(Operator::StringConcat), [left, right]) = (self, args) {
            return concatenated(left, right, rows);
        }
        let kernel = match self {
            Self::Negative => negative,
            Self::Binary(Operator::Plus) => numeric::add,
            Self::Binary(Operator::Multiply) => numeric::mul,
            Self::Binary(_) => numeric::sub,
        };
        match args {
            [left, right] => apply(left, right, |left, right| within(kernel(left, right)?)),
            [one] => apply(one, one, kernel),
            _ => internal_err!("an operator takes one value or two"),
        }
    }
}

fn negative(of: &dyn Datum, _: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    numeric::neg(of.get().0)
}

fn concatenated(left: &ColumnarValue, right: &ColumnarValue, rows: usize) -> Result<ColumnarValue> {
    let is_constant = |side: &ColumnarValue| matches!(side, ColumnarValue::Scalar(_));
    let of_constants = is_constant(left) && is_constant(right);
    let rows = if of_constants { 1 } else { rows };
    let array = |side: &ColumnarValue| match side {
        ColumnarValue::Array(array) => Ok(Arc::clone(array)),
        ColumnarValue::Scalar(constant) => constant.to_array(),
    };
    if let (Some(left), Some(right)) = (lengths(&array(left)?), lengths(&array(right)?)) {
        let sizes = (0..rows).map(|row| left.at(row) + right.at(row));
        refuse_beyond("||", &sizes.collect::<Vec<_>>())?;
    }
    let joined = concat_elements_dyn(&left.to_array(rows)?, &right.to_array(rows)?)?;
    Ok(if of_constants {
        ColumnarValue::Scalar(ScalarValue::try_from_array(&joined, 0)?)
    } else {
        ColumnarValue::Array(joined)
    })
}

/// Arrow asks whether a decimal fits 128 bits, which hold a digit more than its type says.
fn within(result: ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let DataType::Decimal128(precision, _) = result.data_type() {
        result
            .as_primitive::<Decimal128Type>()
            .validate_decimal_precision(*precision)?;
    }
    Ok(result)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedOperator {
    checked: Checked,
    signature: Signature,
}

impl ScalarUDFImpl for CheckedOperator {
    fn name(&self) -> &'static str {
        self.checked.sign()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.checked, types) {
            (Checked::Binary(op), [left, right]) => result_type(left, op, right),
            (Checked::Negative, [of]) => Ok(of.clone()),
            _ => internal_err!("an operator takes one value or two"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let fields = args.arg_fields;
        let types: Vec<DataType> = fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = fields.iter().any(|field| field.is_nullable());
        let returns = self.return_type(&types)?;
        Ok(Arc::new(Field::new(self.name(), returns, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.checked
            .compute(&args.args, args.number_rows)
            .map_err(|error| match error {
                DataFusionError::ArrowError(arrow, _)
                    if matches!(
                        *arrow,
                        ArrowError::ArithmeticOverflow(_) | ArrowError::InvalidArgumentError(_)
                    ) =>
                {
                    overflow(self.checked.sign(), args.return_field.data_type())
                }
                other => other,
            })
    }

    /// As the operator is written: columns that nobody named are called by it.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [left, right] => format!(
                "{} {} {}",
                left.schema_name(),
                self.name(),
                right.schema_name()
            ),
            args => format!(
                "(- {})",
                args.first()
                    .map(|of| of.schema_name().to_string())
                    .unwrap_or_default()
            ),
        })
    }
}

fn overflow(sign: &str, returns: &DataType) -> DataFusionError {
    let known = ColumnType::of_arrow(returns);
    let shown = known.map_or_else(
        || returns.to_string().to_lowercase(),
        |known| known.to_string(),
    );
    let error = Error::quality(format!(
        "`{sign}` gives a number that {shown} does not hold"
    ))
    .code(Code(805))
    .help(format!("compute it in a wider type: {}", wider(returns)));
    DataFusionError::External(Box::new(error))
}

/// What holds more than a type does.
pub(in crate::engine) fn wider(promised: &DataType) -> &'static str {
    match promised {
        DataType::Decimal128(..) => "`cast(… as double)`, where the last digits do not count",
        _ => {
            "`cast(… as decimal(38, 0))`, or `cast(… as double)` where the last digits do not count"
        }
    }
}
