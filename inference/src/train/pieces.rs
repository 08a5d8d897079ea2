//! Records that need not be in memory at once.

use std::borrow::Cow;

use tribute_core::records::Records;

/// A dataset's records in pieces that fit in memory, each read as often as needed, in order.
pub trait Pieces: Sync {
    /// Features of a record.
    fn width(&self) -> usize;
    /// Number of records of each piece.
    fn lengths(&self) -> Vec<usize>;
    /// Reads a piece.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn piece(&self, index: usize) -> Result<Cow<'_, Records>, String>;
    /// All of it, if it is in memory.
    fn whole(&self) -> Option<&Records> {
        None
    }
}

impl Pieces for Records {
    fn width(&self) -> usize {
        Records::width(self)
    }
    fn lengths(&self) -> Vec<usize> {
        vec![self.len()]
    }
    fn piece(&self, _: usize) -> Result<Cow<'_, Records>, String> {
        Ok(Cow::Borrowed(self))
    }
    fn whole(&self) -> Option<&Records> {
        Some(self)
    }
}

/// Number of records of a dataset.
pub fn count<P: Pieces + ?Sized>(dataset: &P) -> usize {
    dataset.lengths().iter().sum()
}

/// Several datasets as one.
pub(super) struct Chained<'a, P: ?Sized>(pub(super) &'a [&'a P]);

impl<P: Pieces + ?Sized> Pieces for Chained<'_, P> {
    fn width(&self) -> usize {
        self.0.first().map_or(0, |dataset| dataset.width())
    }
    fn lengths(&self) -> Vec<usize> {
        self.0.iter().flat_map(|dataset| dataset.lengths()).collect()
    }
    fn piece(&self, mut index: usize) -> Result<Cow<'_, Records>, String> {
        for dataset in self.0 {
            let pieces = dataset.lengths().len();
            if index < pieces {
                return dataset.piece(index);
            }
            index -= pieces;
        }
        Err(format!("there is no piece {index} more"))
    }
}
