//! Schemas: a parsed schema has one canonical text, and asking for its layouts does not panic.

use tribute_core::layout::K_RANGE;
use tribute_core::schema::Schema;

use super::{corpus, fuzz};

#[test]
fn schemas() {
    let good = corpus("schema.json");
    let text = std::str::from_utf8(&good).expect("text").trim();
    assert_eq!(Schema::from_json(text).expect("the corpus is valid").canonical(), text);
    fuzz("schema", &[good], 20_000, |input| {
        let Ok(schema) = std::str::from_utf8(input).map_err(drop).and_then(|t| Schema::from_json(t).map_err(drop))
        else {
            return;
        };
        let again = Schema::from_json(&schema.canonical()).expect("the canonical text parses");
        assert_eq!(again.id(), schema.id());
        for k in K_RANGE {
            let _ = schema.layout(k, 8);
        }
        let _ = schema.quantise(&vec![0.5; schema.features().len()]);
    });
}
