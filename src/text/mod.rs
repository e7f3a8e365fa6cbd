//! Kernels on text: what a value means, whoever typed it.
//!
//! In: one `&str` and, where the answer depends on it, a [`Country`]. Out: the canonical form, or `None` where the text
//! is no such thing. Every normaliser is idempotent: its result normalises to itself. Knows nothing of Arrow, SQL,
//! columns or configuration, reads no clock, and keeps nothing between two calls.

mod company;
mod country;
mod email;
mod local_time;
mod mojibake;
mod name;
mod national_id;
mod nickname;
mod phone;
mod postcode;
mod similarity;
mod spreadsheet;

pub(crate) use company::company_key;
pub(crate) use country::Country;
pub(crate) use email::{is_placeholder_email, normalize_email};
pub(crate) use local_time::{Occurrence, parse_instant, parse_local_time, to_utc};
pub(crate) use mojibake::repair_mojibake;
pub(crate) use name::name_key;
pub(crate) use national_id::{is_valid_national_id, normalize_national_id};
pub(crate) use nickname::nickname_groups;
pub(crate) use phone::{is_placeholder_phone, is_same_phone, normalize_phone};
pub(crate) use postcode::normalize_postcode;
pub(crate) use similarity::{Outline, edit_distance, is_within_one_edit, jaro_winkler};
pub(crate) use spreadsheet::{guarded, guarded_key, unguarded};
