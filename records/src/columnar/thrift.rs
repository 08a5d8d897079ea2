//! Thrift's compact protocol, as far as the headers of Parquet's pages need it.

use super::Refused;

/// Deepest nesting of structures.
const DEEPEST: usize = 8;

/// Reads a structure's fields one after the other.
pub(super) struct Thrift<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    True,
    False,
    Byte,
    Whole,
    Double,
    Binary,
    List,
    Struct,
}

impl Kind {
    fn of(code: u8) -> Result<Self, Refused> {
        Ok(match code {
            1 => Kind::True,
            2 => Kind::False,
            3 => Kind::Byte,
            4..=6 => Kind::Whole,
            7 => Kind::Double,
            8 => Kind::Binary,
            9 | 10 => Kind::List,
            12 => Kind::Struct,
            _ => return Err(Refused::damaged("a page's header has a field of an unknown type")),
        })
    }
}

impl<'b> Thrift<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Thrift { bytes, at: 0 }
    }

    /// Number of bytes read so far.
    pub(super) fn read(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        let byte = self.bytes.get(self.at).ok_or_else(|| Refused::damaged("a page's header breaks off"))?;
        self.at += 1;
        Ok(*byte)
    }

    fn unsigned(&mut self) -> Result<u64, Refused> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Refused::damaged("a page's header has a number that does not end"))
    }

    /// A signed number.
    pub(super) fn whole(&mut self) -> Result<i64, Refused> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// The next field of a structure whose last field was `last`: its number and what it holds; `None` at the end.
    pub(super) fn field(&mut self, last: i64) -> Result<Option<(i64, Kind)>, Refused> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let number = if head >> 4 == 0 { self.whole()? } else { last + i64::from(head >> 4) };
        Ok(Some((number, Kind::of(head & 15)?)))
    }

    /// Passes over a field's value.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), Refused> {
        self.skip_within(kind, DEEPEST)
    }

    fn skip_within(&mut self, kind: Kind, depth: usize) -> Result<(), Refused> {
        let deeper = depth.checked_sub(1).ok_or_else(|| Refused::damaged("a page's header is nested too deeply"))?;
        match kind {
            Kind::True | Kind::False => {}
            Kind::Byte => self.at += 1,
            Kind::Whole => drop(self.unsigned()?),
            Kind::Double => self.at += 8,
            Kind::Binary => {
                let length = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
                self.at = self.at.saturating_add(length);
            }
            Kind::Struct => {
                let mut last = 0;
                while let Some((number, kind)) = self.field(last)? {
                    self.skip_within(kind, deeper)?;
                    last = number;
                }
            }
            Kind::List => {
                let head = self.byte()?;
                let (length, kind) = (u64::from(head >> 4), Kind::of(head & 15)?);
                let length = if length == 15 { self.unsigned()? } else { length };
                for _ in 0..length {
                    match kind {
                        // in a list each truth value has a byte
                        Kind::True | Kind::False => self.at += 1,
                        kind => self.skip_within(kind, deeper)?,
                    }
                    if self.at > self.bytes.len() {
                        break;
                    }
                }
            }
        }
        if self.at > self.bytes.len() {
            return Err(Refused::damaged("a page's header breaks off"));
        }
        Ok(())
    }
}
