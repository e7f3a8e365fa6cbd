//! `len(value)`: the characters of a text, or the items of a list.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_list_array;
use datafusion::common::{Result, plan_err};

use super::function::Function;
use super::moment::is_text;
use super::text_function::strings;

pub(super) fn len() -> Function {
    Function {
        name: "len",
        aliases: &[],
        coerce: |name, types| match types {
            [text] if is_text(text) => Ok(vec![DataType::Utf8]),
            [
                DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _),
            ] => Ok(vec![DataType::List(Arc::clone(item))]),
            _ => plan_err!("`{name}` takes a text or a list"),
        },
        returns: |_| DataType::Int64,
        compute,
        section: "Text",
        call: "len(text_or_list)",
        description: "The number of characters of a text, or of items of a list.",
        example: "select len('Åse') -- 3",
    }
}

fn compute(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let lengths: Int64Array = if matches!(arguments[0].data_type(), DataType::List(_)) {
        let lists = as_list_array(&arguments[0])?;
        let length = |row: usize| {
            lists
                .is_valid(row)
                .then(|| i64::from(lists.value_length(row)))
        };
        (0..lists.len()).map(length).collect()
    } else {
        let texts = strings(&arguments[0])?;
        texts
            .map(|text| Some(text?.chars().count() as i64))
            .collect()
    };
    Ok(Arc::new(lengths))
}
