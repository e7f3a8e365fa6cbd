//! `mode(value)`: the value that occurs most often.
//!
//! Nulls do not count. Of values that occur equally often, the least: no order of rows decides.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, Signature, Volatility,
};

pub(super) fn mode() -> AggregateUDF {
    let section = DocSection {
        include: true,
        label: "Aggregates",
        description: None,
    };
    let description =
        "The value that occurs most often; nulls do not count. Of several that do, the least.";
    AggregateUDF::new_from_impl(Mode {
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: Documentation::builder(section, description, "mode(value)")
            .with_sql_example("select mode(channel) from orders -- the usual channel")
            .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Mode {
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for Mode {
    fn name(&self) -> &str {
        "mode"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_] => Ok(types.to_vec()),
            _ => plan_err!("`mode` takes one column: mode(value)"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counts {
            data_type: args.expr_fields[0].data_type().clone(),
            counts: HashMap::new(),
            bytes: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |part: &str, item: DataType| {
            Arc::new(Field::new_list(
                format_state_name(args.name, part),
                Field::new_list_field(item, true),
                false,
            ))
        };
        Ok(vec![
            list("values", args.input_fields[0].data_type().clone()),
            list("counts", DataType::Int64),
        ])
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// How often each value was seen. The map's order is never asked for: of the most frequent the least is chosen.
#[derive(Debug)]
struct Counts {
    data_type: DataType,
    counts: HashMap<ScalarValue, i64>,
    bytes: usize,
}

impl Counts {
    fn add(&mut self, value: ScalarValue, count: i64) -> Result<()> {
        if let Some(known) = self.counts.get_mut(&value) {
            *known = known
                .checked_add(count)
                .ok_or_else(|| exec_datafusion_err!("`mode` counts more rows than there can be"))?;
            return Ok(());
        }
        let value = value.compacted();
        self.bytes += value.size() + size_of::<i64>();
        self.counts.insert(value, count);
        Ok(())
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let values = &columns[0];
        for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
            self.add(ScalarValue::try_from_array(values, row)?, 1)?;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (values, counts) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for (values, counts) in values.iter().zip(counts.iter()) {
            let (Some(values), Some(counts)) = (values, counts) else {
                continue;
            };
            let counts = counts.as_primitive::<Int64Type>();
            for row in 0..values.len() {
                self.add(
                    ScalarValue::try_from_array(&values, row)?,
                    counts.value(row),
                )?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (values, counts): (Vec<ScalarValue>, Vec<i64>) = self.counts.drain().unzip();
        self.bytes = 0;
        let values = match values.is_empty() {
            true => datafusion::arrow::array::new_empty_array(&self.data_type),
            false => ScalarValue::iter_to_array(values)?,
        };
        let counts: ArrayRef = Arc::new(Int64Array::from(counts));
        let list = |array: ArrayRef| {
            ScalarValue::List(Arc::new(
                SingleRowListArrayBuilder::new(array).build_list_array(),
            ))
        };
        Ok(vec![list(values), list(counts)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let most = self.counts.values().max().copied().unwrap_or_default();
        let often = self.counts.iter().filter(|(_, count)| **count == most);
        let least = often
            .map(|(value, _)| value)
            .min_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        match least {
            Some(value) => Ok(value.clone()),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes
    }
}
