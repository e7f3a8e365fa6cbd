//! A source: its new exports decoded, merged into the table, accounted for, tested.
