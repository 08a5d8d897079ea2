//! Unpacks a part of a file, whose size is known before.

use std::io::Read;

use super::Refused;

/// How a part is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Snappy,
    Gzip,
    Zstd,
    /// A block without a frame.
    Lz4,
    Lz4Frame,
}

/// Unpacks `packed` into exactly `length` bytes.
pub(super) fn unpack(codec: Codec, packed: &[u8], length: usize) -> Result<Vec<u8>, Refused> {
    let unpacked = match codec {
        Codec::Plain => packed.to_vec(),
        Codec::Snappy => {
            if snap::raw::decompress_len(packed).map_err(Refused::damaged)? != length {
                return Err(other(length));
            }
            snap::raw::Decoder::new().decompress_vec(packed).map_err(Refused::damaged)?
        }
        Codec::Lz4 => lz4_flex::block::decompress(packed, length).map_err(Refused::damaged)?,
        Codec::Gzip => all(flate2::read::MultiGzDecoder::new(packed), length)?,
        Codec::Zstd => all(ruzstd::decoding::StreamingDecoder::new(packed).map_err(Refused::damaged)?, length)?,
        Codec::Lz4Frame => all(lz4_flex::frame::FrameDecoder::new(packed), length)?,
    };
    if unpacked.len() == length {
        Ok(unpacked)
    } else {
        Err(other(length))
    }
}

/// Reads to the end, but no further than a byte beyond `length`.
fn all(reader: impl Read, length: usize) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    reader.take(length as u64 + 1).read_to_end(&mut bytes).map_err(Refused::damaged)?;
    Ok(bytes)
}

fn other(length: usize) -> Refused {
    Refused::damaged(format!("a part does not unpack to the {length} bytes that are stated"))
}
