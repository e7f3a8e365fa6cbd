//! Avro containers written by hand, for tests.

/// Bytes of the values of a record.
#[derive(Clone, Default)]
pub(in crate::ingest::format) struct Values(pub(in crate::ingest::format) Vec<u8>);

impl Values {
    pub(in crate::ingest::format) fn long(mut self, value: i64) -> Self {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        self
    }

    pub(in crate::ingest::format) fn bytes(self, value: &[u8]) -> Self {
        self.long(value.len() as i64).raw(value)
    }

    pub(in crate::ingest::format) fn raw(mut self, value: &[u8]) -> Self {
        self.0.extend(value);
        self
    }
}

/// A container of blocks: records of each, and their bytes as they are packed.
pub(in crate::ingest::format) fn container(
    schema: &str,
    codec: &str,
    blocks: &[(i64, Vec<u8>)],
) -> Vec<u8> {
    const MARK: [u8; 16] = *b"sixteen bytes :)";
    let mut out = Values::default()
        .raw(b"Obj\x01")
        .long(2)
        .bytes(b"avro.schema")
        .bytes(schema.as_bytes())
        .bytes(b"avro.codec")
        .bytes(codec.as_bytes())
        .long(0)
        .raw(&MARK);
    for (records, bytes) in blocks {
        out = out.long(*records).bytes(bytes).raw(&MARK);
    }
    out.0
}

/// Records of texts, null as `None`.
pub(in crate::ingest::format) fn texts(columns: &[&str], records: &[Vec<Option<&str>>]) -> Vec<u8> {
    let fields = columns
        .iter()
        .map(|name| serde_json::json!({"name": name, "type": ["null", "string"]}));
    let schema = serde_json::json!({
        "type": "record", "name": "row", "fields": fields.collect::<Vec<_>>()
    });
    let mut values = Values::default();
    for record in records {
        for field in record {
            values = match field {
                None => values.long(0),
                Some(text) => values.long(1).bytes(text.as_bytes()),
            };
        }
    }
    let blocks = [(records.len() as i64, values.0)];
    container(&schema.to_string(), "null", &blocks)
}
