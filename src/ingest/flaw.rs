//! Why an export is not taken, where that lies with the file: told by the code of the error, here and nowhere else.

use crate::error::{Error, ErrorKind};

/// What is wrong with an export. What may pass by itself, or lies in storage or in the project, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The file itself cannot be read, whoever tries.
    Unreadable,
    /// Nor can this version of a Delta table; but it is made of more files than one, and they may come back.
    UnreadableVersion,
    /// A column of its contract is not there.
    MissingColumn,
    /// It has a column that the contract does not know.
    AddedColumn,
    /// Its columns come in another order.
    Reordered,
    /// A column of it is of another type.
    Retyped,
    /// Its path gives a column a text that is none of the column's type.
    MisfitPath,
}

impl Flaw {
    /// What is wrong with the export that an error speaks of.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        if error.kind() != ErrorKind::Input {
            return None;
        }
        Some(match error.number()?.0 {
            354 | 356 | 402 | 403 | 405..=407 | 420..=425 | 470 => Self::Unreadable,
            191 => Self::UnreadableVersion,
            401 => Self::MissingColumn,
            461 => Self::AddedColumn,
            462 => Self::Reordered,
            463 => Self::Retyped,
            409 => Self::MisfitPath,
            _ => return None,
        })
    }

    /// Whether the file has it whenever it is read, as long as contract and settings stay.
    pub(crate) fn is_lasting(self) -> bool {
        self != Self::UnreadableVersion
    }
}

/// Whether an error says that the export itself cannot be read: not that its columns are others than those of its contract,
/// nor anything that may pass.
pub(super) fn is_unreadable(error: &Error) -> bool {
    matches!(
        Flaw::of(error),
        Some(Flaw::Unreadable | Flaw::UnreadableVersion)
    )
}
