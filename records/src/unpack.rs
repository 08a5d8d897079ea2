//! From a file's bytes to text: all gzip members, UTF-8, and a clear error for anything else.

use std::io::Read as _;

use crate::columnar::Format;
use crate::error::Fault;

const GZIP: &[u8] = &[0x1f, 0x8b];
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file, and how it was packed.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) text: String,
    /// Number of gzip members; 0 for a plain file.
    pub(crate) members: usize,
}

/// Unpacks and decodes a file that is not columnar. The second part of the error is the line, where there is one.
///
/// # Errors
/// Corrupt or trailing bytes, more than `most` bytes, or another format or encoding.
pub(crate) fn unpack(bytes: Vec<u8>, most: usize) -> Result<Unpacked, (Fault, Option<u64>)> {
    let (bytes, members) = if bytes.starts_with(GZIP) { gunzip(&bytes, most)? } else { (bytes, 0) };
    if bytes.len() > most {
        return Err((Fault::TooLarge { most }, None));
    }
    if let Some(format) = Format::of(&bytes) {
        let what = match format {
            Format::Parquet => "a Parquet file in a gzip file",
            Format::Arrow => "an Arrow file in a gzip file",
        };
        return Err((Fault::Foreign { what, advice: "give the file itself, it is packed already" }, None));
    }
    if let Some((what, advice)) = foreign(&bytes) {
        return Err((Fault::Foreign { what, advice }, None));
    }
    let mut text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let bytes = e.as_bytes();
        // a line ends with `\n`, `\r\n` or `\r`
        let ends = (0..at).filter(|i| bytes[*i] == b'\n' || (bytes[*i] == b'\r' && bytes[i + 1] != b'\n'));
        (Fault::Encoding { byte: bytes[at] }, Some(1 + ends.count() as u64))
    })?;
    // some programs write a mark before the one that is there
    text.drain(..text.len() - text.trim_start_matches(BYTE_ORDER_MARK).len());
    Ok(Unpacked { text, members })
}

/// Whether a member is a block of bgzip's form (SAM specification §4.1), which an extra field `BC` tells.
fn is_block(header: Option<&flate2::GzHeader>) -> bool {
    let mut extra = header.and_then(|h| h.extra()).unwrap_or_default();
    // two bytes of identification, two of length, and as many as that
    while let [first, second, low, high, rest @ ..] = extra {
        if (*first, *second) == (b'B', b'C') {
            return true;
        }
        extra = rest.get(usize::from(u16::from_le_bytes([*low, *high]))..).unwrap_or_default();
    }
    false
}

/// Unpacks all members, allowing zero padding at the end, as on tapes (RFC 1952 §2.2). Of bgzip's blocks the last must be empty: it is
/// how a file that breaks off between two is told from a whole one.
fn gunzip(bytes: &[u8], most: usize) -> Result<(Vec<u8>, usize), (Fault, Option<u64>)> {
    let (mut out, mut rest, mut members) = (Vec::new(), bytes, 0);
    // after a block that is not empty another one follows
    let mut open = false;
    loop {
        let at = bytes.len() - rest.len();
        let mut member = flate2::bufread::GzDecoder::new(rest);
        let before = out.len();
        let left = (most - before) as u64 + 1;
        let read = member.by_ref().take(left).read_to_end(&mut out);
        members += 1;
        read.map_err(|e| (Fault::Gzip { member: members, at, reason: e.to_string() }, None))?;
        if out.len() > most {
            return Err((Fault::TooLarge { most }, None));
        }
        let block = is_block(member.header());
        let broken = open && !block;
        open = block && out.len() > before;
        rest = member.into_inner();
        let ends = rest.iter().all(|b| *b == 0);
        if broken || (ends && open) {
            let reason = "the empty block at the end, which bgzip writes, is missing (if nothing else is, unpack it with `gunzip`)";
            return Err((Fault::Gzip { member: members, at, reason: reason.into() }, None));
        }
        if ends {
            return Ok((out, members));
        }
        if !rest.starts_with(GZIP) {
            return Err((Fault::Trailing { members, at: bytes.len() - rest.len() }, None));
        }
    }
}

/// The format of a file that is not a text table, and what to do with it.
fn foreign(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const CSV: &str = "save the table as CSV (UTF-8)";
    const PLAIN: &str = "unpack it and give the CSV";
    const R: &str = "write it as CSV, in R `write.csv(x, file, row.names = FALSE)`";
    const FRAME: &str = "write it as CSV or Parquet, in Python `pandas.DataFrame.to_parquet(path, index=False)`";
    let has = |needle: &[u8]| bytes[..bytes.len().min(4096)].windows(needle.len()).any(|w| w == needle);
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(match () {
            () if has(b"xl/") || has(b"[Content_Types].xml") => ("an Excel workbook", CSV),
            () if has(b"opendocument.spreadsheet") => ("an OpenDocument spreadsheet", CSV),
            () if has(b".npy") => ("a NumPy archive", FRAME),
            () => ("a zip archive", PLAIN),
        });
    }
    let magic: &[(&[u8], &str, &str)] = &[
        (GZIP, "a gzip file in a gzip file", "unpack it once"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", CSV),
        (b"\x89HDF", "an HDF5 file", FRAME),
        (b"\x93NUMPY", "a NumPy array", FRAME),
        (b"\x80\x02", "a Python pickle", FRAME),
        (b"\x80\x03", "a Python pickle", FRAME),
        (b"\x80\x04", "a Python pickle", FRAME),
        (b"\x80\x05", "a Python pickle", FRAME),
        (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
        (b"RDX2\nX\n", "an R data file", R),
        (b"RDX3\nX\n", "an R data file", R),
        (b"\xfd7zXZ\0", "an xz file", PLAIN),
        (b"\x1f\x9d", "a file of `compress` (.Z)", PLAIN),
        (b"\x28\xb5\x2f\xfd", "a zstd file", PLAIN),
        (b"\x04\x22\x4d\x18", "an lz4 file", PLAIN),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", PLAIN),
        (b"%PDF-", "a PDF", CSV),
        (b"\0\0\xfe\xff", "UTF-32 text", "convert it with `iconv -f UTF-32 -t UTF-8`"),
        (b"\xff\xfe\0\0", "UTF-32 text", "convert it with `iconv -f UTF-32 -t UTF-8`"),
        (b"\xff\xfe", "UTF-16 text", "save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`"),
        (b"\xfe\xff", "UTF-16 text", "save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`"),
    ];
    if let Some((_, what, advice)) = magic.iter().find(|(m, ..)| bytes.starts_with(m)) {
        return Some((what, advice));
    }
    // a text may begin with the letters of a format, but has no control characters
    let control = bytes[..bytes.len().min(512)].iter().any(|b| b.is_ascii_control() && !b.is_ascii_whitespace());
    let named = |at: usize, name: &[u8]| control && bytes.get(at..).is_some_and(|rest| rest.starts_with(name));
    if named(257, b"ustar") {
        return Some(("a tar archive", PLAIN));
    }
    if named(0, b"BZh") {
        return Some(("a bzip2 file", PLAIN));
    }
    if named(0, b"FEA1") {
        return Some(("a Feather file of version 1", "write version 2, or Parquet"));
    }
    let start = &bytes[..bytes.len().min(64)];
    let zeros = |first: usize| start.iter().skip(first).step_by(2).all(|b| *b == 0);
    if start.len() >= 4 && zeros(1) {
        return Some(("UTF-16 text", "convert it with `iconv -f UTF-16LE -t UTF-8`"));
    }
    if start.len() >= 4 && zeros(0) {
        return Some(("UTF-16 text", "convert it with `iconv -f UTF-16BE -t UTF-8`"));
    }
    if bytes.contains(&0) {
        return Some(("a binary file (it contains zero bytes)", "give a table as CSV (UTF-8)"));
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let starts = |word: &str| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    // a name may be in brackets, like `[Na+]`
    let json: &[u8] = match text.first() {
        Some(b'{') => b"\"'}",
        Some(b'[') => b"{[\"-0123456789]",
        _ => b"",
    };
    if text.get(1..).and_then(|rest| rest.trim_ascii_start().first()).is_some_and(|next| json.contains(next)) {
        return Some(("JSON", FRAME));
    }
    if starts("<!doctype") || starts("<html") || starts("<?xml") {
        return Some(("a web page or XML", "fetch the file itself, not the page about it"));
    }
    if starts("version https://git-lfs.github.com/spec/") {
        return Some(("a Git LFS pointer", "fetch the file itself with `git lfs pull`"));
    }
    // in which comments may come first
    let is_remark = |line: &&[u8]| line.trim_ascii().is_empty() || line.starts_with(b"%");
    let arff = bytes.split(|b| *b == b'\n').find(|line| !is_remark(line)).map(<[u8]>::trim_ascii_start);
    let arff = arff.and_then(|line| line.get(..9)).is_some_and(|word| word.eq_ignore_ascii_case(b"@relation"));
    arff.then_some(("an ARFF file", CSV))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        e.write_all(text.as_bytes()).unwrap();
        e.finish().unwrap()
    }

    /// A member in bgzip's form.
    fn block(text: &str) -> Vec<u8> {
        // another field may come first; the last holds the block's size, which we do not use
        let extra = *b"XX\x01\0.BC\x02\0\0\0";
        let mut e = flate2::GzBuilder::new().extra(extra).write(Vec::new(), flate2::Compression::fast());
        e.write_all(text.as_bytes()).unwrap();
        e.finish().unwrap()
    }

    #[test]
    fn bgzips_blocks_end_with_an_empty_one() {
        let (one, two, end) = (block("a,b\n"), block("1,2\n"), block(""));
        let text = |parts: &[&[u8]]| unpack(parts.concat(), 100).map(|read| read.text);
        for whole in [&[&one[..], &two, &end][..], &[&one, &end, &two, &end], &[&one, &two, &end, &[0; 9]]] {
            assert_eq!(text(whole).unwrap(), "a,b\n1,2\n");
        }
        let other = member("1,2\n");
        assert_eq!(text(&[&one, &end, &other]).unwrap(), "a,b\n1,2\n");
        assert_eq!(text(&[&other, &one, &end]).unwrap(), "1,2\na,b\n");
        for cut in [&[&one[..]][..], &[&one, &two], &[&one, &two, &[0; 9]], &[&one, &other], &[&one, &end, &two]] {
            let fault = text(cut).unwrap_err().0;
            assert!(matches!(fault, Fault::Gzip { .. }) && fault.to_string().contains("empty block"), "{fault}");
        }
        // an extra field of another name, or that breaks off
        for extra in [&b"XX\x02\0BC"[..], b"BC", b"XX\xff\0BC\x02\0\0\0"] {
            let mut e = flate2::GzBuilder::new().extra(extra).write(Vec::new(), flate2::Compression::fast());
            e.write_all(b"a,b\n").unwrap();
            assert_eq!(text(&[&e.finish().unwrap()]).unwrap(), "a,b\n");
        }
    }

    #[test]
    fn every_member_is_read_and_zeros_may_follow() {
        let two = [member("a,b\n"), member("1,2\n"), member("")].concat();
        let read = unpack(two.clone(), 100).unwrap();
        assert_eq!((read.text.as_str(), read.members), ("a,b\n1,2\n", 3));
        assert_eq!(unpack([two, vec![0; 512]].concat(), 100).unwrap().members, 3);
    }

    #[test]
    fn what_breaks_off_or_follows_is_refused() {
        let whole = [member("a,b\n"), member("1,2\n")].concat();
        let second = member("a,b\n").len();
        for cut in second + 2..whole.len() {
            let fault = unpack(whole[..cut].to_vec(), 100).unwrap_err().0;
            assert!(matches!(fault, Fault::Gzip { member: 2, at, .. } if at == second), "{cut}: {fault}");
        }
        // the first byte of a member alone is not a member
        for tail in [&[0x1f][..], b"x", b"\0\0x"] {
            let fault = unpack([&whole, tail].concat(), 100).unwrap_err().0;
            assert!(matches!(fault, Fault::Trailing { members: 2, at } if at == whole.len()), "{fault}");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() - 5] ^= 1;
        assert!(matches!(unpack(damaged, 100).unwrap_err().0, Fault::Gzip { member: 2, .. }));
    }

    #[test]
    fn the_limit_counts_unpacked_bytes() {
        let packed = [member(&"1,2\n".repeat(10)), member(&"1,2\n".repeat(10))].concat();
        assert_eq!(unpack(packed.clone(), 80).unwrap().text.len(), 80);
        assert_eq!(unpack(packed, 79).unwrap_err().0, Fault::TooLarge { most: 79 });
        assert_eq!(unpack(vec![b'1'; 11], 10).unwrap_err().0, Fault::TooLarge { most: 10 });
    }

    #[test]
    fn other_formats_and_encodings_are_named() {
        let utf16: Vec<u8> = "a,b,c\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, word) in [
            (b"PK\x03\x04....xl/workbook.xml".to_vec(), "Excel"),
            (b"PK\x03\x04....data.csv".to_vec(), "zip"),
            ([b"\xff\xfe".to_vec(), utf16.clone()].concat(), "UTF-16"),
            (utf16, "UTF-16LE"),
            (member("x"), ""),
            (member("PAR1\u{15}\u{4}.."), "Parquet"),
            (member("ARROW1\0\0"), "Arrow"),
            (b"BZh91AY&SY\x01".to_vec(), "bzip2"),
            (b"RDX3\nX\n\0\0".to_vec(), "R data"),
            (b"%PDF-1.7\n".to_vec(), "PDF"),
            (b"\x1f\x9d\x90a\xc4\x88".to_vec(), ".Z"),
            (b"[[1,2]]".to_vec(), "JSON"),
            (b"[ {\"a\": 1}]".to_vec(), "JSON"),
            (b"{\"a\": [1]}".to_vec(), "JSON"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n".to_vec(), "git lfs pull"),
            (b"a,b\n1,\0\n".to_vec(), "binary"),
            (b"@relation iris\n".to_vec(), "ARFF"),
            (b"% by hand\r\n%\r\n\r\n@RELATION iris\r\n".to_vec(), "ARFF"),
        ] {
            match unpack(bytes, 1000) {
                Ok(read) => assert_eq!((read.text.as_str(), word), ("x", "")),
                Err((fault, _)) => assert!(!word.is_empty() && fault.to_string().contains(word), "{fault}"),
            }
        }
        let once = member("x");
        let mut twice = Vec::new();
        flate2::read::GzEncoder::new(&once[..], flate2::Compression::fast()).read_to_end(&mut twice).unwrap();
        assert!(unpack(twice, 1000).unwrap_err().0.to_string().contains("in a gzip"));
        let latin = unpack(b"a,b\nx,caf\xe9\n".to_vec(), 100).unwrap_err();
        assert_eq!(latin, (Fault::Encoding { byte: 0xe9 }, Some(2)));
        for end in ["\n", "\r\n", "\r"] {
            let text = [b"a,b", end.as_bytes(), b"1,2", end.as_bytes(), b"\xe9,caf"].concat();
            assert_eq!(unpack(text, 100).unwrap_err().1, Some(3), "{end:?}");
        }
        for marks in ["", "\u{feff}", "\u{feff}\u{feff}"] {
            assert_eq!(unpack(format!("{marks}a,b\n").into_bytes(), 100).unwrap().text, "a,b\n");
        }
    }

    #[test]
    fn names_like_those_of_formats_are_names() {
        for name in ["PAR1", "ARROW1", "FEA1", "BZh", "RDX", "%PDF", "[Na+]", "{x}"] {
            let text = format!("{name},b\n1,2\n");
            assert_eq!(unpack(text.clone().into_bytes(), 1000).unwrap().text, text);
            assert_eq!(unpack(member(&text), 1000).unwrap().text, text);
        }
    }
}
