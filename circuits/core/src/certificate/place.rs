//! Reads and writes files in canonical JSON, and finds the field at a byte offset. The latter also works on damaged
//! text, because errors must name a position in it.

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::CertificateError;

/// Parses a file that must be in its canonical encoding.
pub(crate) fn read<T: Serialize + DeserializeOwned>(text: &[u8]) -> Result<T, CertificateError> {
    let file: T = serde_json::from_slice(text).map_err(|e| {
        let offset = offset(text, e.line(), e.column());
        CertificateError::Json { path: path_at(text, offset), reason: format!("{e}: `{}`", line_at(text, offset)) }
    })?;
    let canonical = write(&file);
    if canonical.as_bytes() == text {
        return Ok(file);
    }
    let same = canonical.bytes().zip(text).take_while(|(a, b)| a == *b).count();
    Err(CertificateError::Encoding { path: path_at(text, same) })
}

/// The file's text.
pub(crate) fn write(file: &impl Serialize) -> String {
    // structs of strings and integers always serialise
    serde_json::to_string_pretty(file).unwrap_or_default() + "\n"
}

/// Byte offset of a line and column, both counted from 1.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => text.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(line - 2).map_or(text.len(), |(i, _)| i + 1),
    };
    (start + column).saturating_sub(1).min(text.len())
}

enum Level {
    Object { key: Option<String>, expects_key: bool },
    Array { index: usize },
}

/// Path of the value at byte `offset`, such as `datasets[1].shards[0].digest`; empty for the whole text. At a closing
/// bracket, the path of the object or array that it closes.
fn path_at(text: &[u8], offset: usize) -> String {
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let expects_key = matches!(levels.last(), Some(Level::Object { expects_key: true, .. }));
        if at >= offset && !expects_key {
            break;
        }
        match text[at] {
            b'{' => levels.push(Level::Object { key: None, expects_key: true }),
            b'[' => levels.push(Level::Array { index: 0 }),
            b'}' | b']' if at >= offset => break,
            b'}' | b']' => {
                levels.pop();
            }
            b',' => match levels.last_mut() {
                Some(Level::Object { expects_key, .. }) => *expects_key = true,
                Some(Level::Array { index }) => *index += 1,
                None => {}
            },
            b'"' => {
                let end = string_end(text, at);
                if let Some(Level::Object { key, expects_key }) = levels.last_mut() {
                    if *expects_key {
                        let name = &text[at + 1..end.max(at + 1)];
                        let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
                        *key = plain.then(|| String::from_utf8_lossy(name).into_owned());
                        *expects_key = false;
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    if matches!(text.get(offset), Some(b'}' | b']')) {
        levels.pop();
    }
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object { key: Some(key), .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&key);
            }
            Level::Object { key: None, .. } => {}
            Level::Array { index } => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The first 60 bytes of the line that contains byte `offset`.
fn line_at(text: &[u8], offset: usize) -> String {
    let start = text[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let line: &[u8] = text[start..].split(|b| *b == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(60)]).trim().to_owned()
}

/// Position of the quote that closes the string opened at `start`, or of the last byte of the text.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'"' => return at,
            _ => {}
        }
        at += 1;
    }
    text.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn every_place_has_its_path() {
        let text = br#"{"a": 1, "b": [10, {"c": "x,\"}", "d": true}], "e": {}}"#;
        for (what, path) in [
            ("1,", "a"),
            ("10", "b[0]"),
            ("x,", "b[1].c"),
            ("\"c\"", "b[1].c"),
            ("true", "b[1].d"),
            (" \"b\"", "b"),
            ("}], ", "b[1]"),
            ("], ", "b"),
            ("{}", "e"),
        ] {
            let offset = text.windows(what.len()).position(|w| w == what.as_bytes()).unwrap();
            assert_eq!(path_at(text, offset), path, "at {what}");
        }
        assert_eq!(path_at(text, text.len() - 1), "", "the closing bracket");
        assert_eq!(path_at(b"", 0), "");
        assert_eq!(path_at(b"{\"a", 2), "");
    }
}
