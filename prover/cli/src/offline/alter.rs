//! Altering JSON files: paths of their leaves, other values for each, and their positions in the text.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Appends the path of every leaf to `out`.
pub(super) fn leaves(value: &Value, path: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, format!("{path}{dot}{key}"), out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                leaves(value, format!("{path}[{i}]"), out);
            }
        }
        _ => out.push(path),
    }
}

pub(super) fn leaf<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    value.pointer_mut(&pointer).unwrap()
}

/// The file after a change of one leaf. If it is still a `T`, `written` makes its text, else it is the JSON as it is.
pub(super) fn with_leaf<T: DeserializeOwned>(
    original: &Value,
    path: &str,
    value: &Value,
    written: impl FnOnce(T) -> String,
) -> String {
    let mut altered = original.clone();
    *leaf(&mut altered, path) = value.clone();
    match serde_json::from_value::<T>(altered.clone()) {
        Ok(file) => written(file),
        Err(_) => serde_json::to_string_pretty(&altered).unwrap() + "\n",
    }
}

/// Other values of the same kind, some close, some far.
pub(super) fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(b) => vec![Value::Bool(!b)],
        Value::Number(n) => {
            let n = n.as_i64().unwrap();
            [n + 1, n - 1, 0, 14, 1 << 40].into_iter().filter(|x| *x != n).map(Value::from).collect()
        }
        Value::String(s) => {
            let flip = |at: usize| {
                let mut bytes = s.clone().into_bytes();
                bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
                Value::from(String::from_utf8(bytes).unwrap())
            };
            let mut flips = vec![s.len() - 1, s.len() / 2, 2.min(s.len() - 1)];
            flips.dedup();
            flips.into_iter().map(flip).chain([format!("{s}0"), String::new()].map(Value::from)).collect()
        }
        _ => vec![Value::Null],
    }
}

/// Path of the leaf on the line of byte `at`; each line has one leaf or one bracket.
pub(super) fn path_of(json: &str, at: usize) -> String {
    let line = json[..at].matches('\n').count();
    let mut path: Vec<String> = vec![];
    let mut index: Vec<usize> = vec![];
    for (i, text) in json.lines().enumerate() {
        let text = text.trim();
        let closes = text.starts_with('}') || text.starts_with(']');
        if closes {
            if i == line {
                return String::new(); // a bracket: any path will do
            }
            path.pop();
            index.pop();
            continue;
        }
        let opens = text.ends_with('{') || text.ends_with('[');
        let name = match text.split_once("\": ") {
            Some((key, _)) if text.starts_with('"') => key[1..].to_owned(),
            _ => index.last().map_or_else(String::new, |n| format!("[{n}]")),
        };
        if let Some(n) = index.last_mut() {
            *n += 1;
        }
        let mut all = path.clone();
        all.push(name.clone());
        if i == line {
            let joined = all.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(".");
            return joined.replace(".[", "[");
        }
        if opens {
            path.push(name);
            index.push(0);
        }
    }
    String::new()
}
