//! Labelled records: quantised features with their targets.

/// Quantised records of one schema, in their original order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    width: usize,
    features: Vec<u8>,
    targets: Vec<u16>,
}

impl Records {
    /// No records yet, `width` features each.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Records { width, features: Vec::new(), targets: Vec::new() }
    }
    /// Appends a record; `features` must have the width. The target is the class number, or the 16-bit value.
    ///
    /// # Panics
    /// If the number of features differs from the width.
    pub fn push(&mut self, features: &[u8], target: u16) {
        assert_eq!(features.len(), self.width, "record width");
        self.features.extend_from_slice(features);
        self.targets.push(target);
    }
    /// Features per record.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }
    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
    /// Features of record `i`.
    #[must_use]
    pub fn features(&self, i: usize) -> &[u8] {
        &self.features[i * self.width..(i + 1) * self.width]
    }
    /// Target of record `i`: class number or 16-bit value.
    #[must_use]
    pub fn target(&self, i: usize) -> u16 {
        self.targets[i]
    }
    /// All records as (features, target) pairs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u16)> {
        (0..self.len()).map(|i| (self.features(i), self.target(i)))
    }
    /// A copy of the records in `range`.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Records {
        Records {
            width: self.width,
            features: self.features[range.start * self.width..range.end * self.width].to_vec(),
            targets: self.targets[range].to_vec(),
        }
    }
    /// Appends all records of `other`, which must have the same width.
    pub fn extend(&mut self, other: &Records) {
        debug_assert_eq!(self.width, other.width);
        self.features.extend_from_slice(&other.features);
        self.targets.extend_from_slice(&other.targets);
    }
    /// A canonical encoding: width, count, then features and target of each record (big-endian).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.features.len() + 2 * self.len());
        out.extend_from_slice(&(self.width as u32).to_be_bytes());
        out.extend_from_slice(&(self.len() as u64).to_be_bytes());
        for (f, t) in self.iter() {
            out.extend_from_slice(f);
            out.extend_from_slice(&t.to_be_bytes());
        }
        out
    }
    /// Inverse of [`Records::to_bytes`]; `None` if the length does not match the header.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Records> {
        let (head, body) = bytes.split_at_checked(12)?;
        let width = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let len = usize::try_from(u64::from_be_bytes(head[4..].try_into().ok()?)).ok()?;
        if body.len() != len.checked_mul(width.checked_add(2)?)? {
            return None;
        }
        let mut records = Records::new(width);
        for chunk in body.chunks_exact(width + 2) {
            let (f, t) = chunk.split_at(width);
            records.push(f, u16::from_be_bytes([t[0], t[1]]));
        }
        Some(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let mut records = Records::new(2);
        records.push(&[0, 1], 0);
        records.push(&[2, 255], 65_535);
        assert_eq!(Records::from_bytes(&records.to_bytes()), Some(records.clone()));
        assert_eq!(Records::from_bytes(&records.to_bytes()[1..]), None);
        assert_eq!(Records::from_bytes(&[records.to_bytes(), vec![0]].concat()), None);
    }
}
