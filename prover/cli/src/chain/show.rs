//! JSON results as readable text, one field to a line.

use serde_json::{Map, Value};

/// Formats a result.
pub(crate) fn lines(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) => object(&mut text, fields, 0),
        other => push(&mut text, 0, &plain(other)),
    }
    text
}

fn object(text: &mut String, fields: &Map<String, Value>, depth: usize) {
    let named = |name: &String| name.replace('_', " ");
    let simple = |value: &Value| !value.is_object() && !value.as_array().is_some_and(|all| all.iter().any(nested));
    let width = fields.iter().filter(|(_, v)| simple(v)).map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Object(tx) if tx.contains_key("gas_used") => push(text, depth, &transaction(tx)),
            Value::Object(inner) => {
                push(text, depth, &named(name));
                object(text, inner, depth + 1);
            }
            Value::Array(all) if !simple(value) => {
                push(text, depth, &format!("{} ({})", named(name), all.len()));
                list(text, all, depth + 1);
            }
            other => push(text, depth, &format!("{:width$}  {}", named(name), plain(other))),
        }
    }
}

fn list(text: &mut String, all: &[Value], depth: usize) {
    for (i, value) in all.iter().enumerate() {
        match value {
            Value::Object(tx) if tx.contains_key("gas_used") => push(text, depth, &transaction(tx)),
            Value::Object(inner) => {
                if i > 0 && inner.len() > 2 {
                    text.push('\n');
                }
                object(text, inner, depth);
            }
            other => push(text, depth, &plain(other)),
        }
    }
}

/// `sent: 0x… in block 12, 63412 gas at 1.5 gwei (create an agent)`
fn transaction(tx: &Map<String, Value>) -> String {
    let field = |name: &str| tx.get(name).map(plain).unwrap_or_default();
    let verdict = if tx.get("status").and_then(Value::as_u64) == Some(0) { "failed" } else { "sent" };
    let gwei = tx.get("gas_price").and_then(Value::as_f64).unwrap_or(0.0) / 1e9;
    let (hash, block, gas, action) = (field("tx"), field("block"), field("gas_used"), field("action"));
    format!("{verdict}: {hash} in block {block}, {gas} gas at {gwei:.3} gwei ({action})")
}

fn push(text: &mut String, depth: usize, line: &str) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(line.trim_end());
    text.push('\n');
}

fn nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_lists_and_transactions_have_a_line_each() {
        let value = json!({
            "agent_id": "0x01",
            "version": 2,
            "shares": [3, 4],
            "sessions": [{ "session": "0x05", "count": 7 }],
            "tx": { "action": "claim", "tx": "0x06", "block": 9, "status": 1, "gas_used": 10, "gas_price": 1_500_000_000u64 },
        });
        let said = lines(&value);
        let all: Vec<&str> = said.lines().collect();
        assert_eq!(
            all,
            [
                "agent id  0x01",
                "sessions (1)",
                "  count    7",
                "  session  0x05",
                "shares    3, 4",
                "sent: 0x06 in block 9, 10 gas at 1.500 gwei (claim)",
                "version   2",
            ]
        );
    }
}
