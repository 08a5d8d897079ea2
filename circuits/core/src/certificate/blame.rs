//! Finds the wrong field from relations that should hold between fields.
//!
//! A certificate states most things twice: once in a field of its own, once in a proof or a digest. When relations
//! fail, the suspects are the fields that occur in every failed relation and are not fully bound by one that holds.

use super::CertificateError;

/// A field's role in a relation.
#[derive(Clone, Debug)]
pub struct Field {
    path: String,
    whole: bool,
}

/// A field that is fully bound: if the relation holds, the field is right.
pub fn whole(path: impl Into<String>) -> Field {
    Field { path: path.into(), whole: true }
}

/// A field that is only partly bound.
pub fn part(path: impl Into<String>) -> Field {
    Field { path: path.into(), whole: false }
}

#[derive(Debug)]
struct Relation {
    fields: Vec<Field>,
    reason: Option<String>,
}

/// A list of checked relations.
#[derive(Debug, Default)]
pub struct Relations(Vec<Relation>);

impl Relations {
    /// Records a relation between `fields`; `reason` says what is wrong if it does not hold.
    pub fn relate(&mut self, holds: bool, fields: Vec<Field>, reason: impl FnOnce() -> String) {
        self.0.push(Relation { fields, reason: (!holds).then(reason) });
    }

    /// Records a limit. Unlike a relation, a limit that holds says nothing about its fields.
    pub fn limit(&mut self, holds: bool, paths: Vec<String>, reason: impl FnOnce() -> String) {
        self.relate(holds, paths.into_iter().map(part).collect(), reason);
    }

    /// Whether any relation failed so far.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.0.iter().any(|r| r.reason.is_some())
    }

    /// `Ok` if all relations hold; otherwise an error that names the suspect fields.
    pub fn verdict(&self) -> Result<(), CertificateError> {
        let failed: Vec<(&[Field], &String)> =
            self.0.iter().filter_map(|r| r.reason.as_ref().map(|reason| (r.fields.as_slice(), reason))).collect();
        let Some((first, reason)) = failed.first() else { return Ok(()) };
        let in_all = |f: &&Field| failed.iter().all(|(fields, _)| fields.iter().any(|g| g.path == f.path));
        let mut suspects: Vec<&Field> = first.iter().filter(in_all).collect();
        if suspects.is_empty() {
            suspects = first.iter().collect();
        }
        let right: Vec<&str> = self
            .0
            .iter()
            .filter(|r| r.reason.is_none())
            .flat_map(|r| r.fields.iter().filter(|f| f.whole).map(|f| f.path.as_str()))
            .collect();
        let remaining: Vec<&Field> = suspects.iter().copied().filter(|f| !right.contains(&f.path.as_str())).collect();
        let named = if remaining.is_empty() { suspects } else { remaining };
        Err(CertificateError::Field {
            fields: named.iter().map(|f| f.path.clone()).collect(),
            reason: (*reason).clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_common_to_what_fails_and_absent_from_what_holds_is_named() {
        let mut r = Relations::default();
        r.relate(true, vec![whole("a"), whole("b")], || unreachable!());
        assert!(r.verdict().is_ok());
        r.relate(false, vec![whole("b"), whole("c"), whole("d")], || "first".into());
        r.relate(false, vec![whole("c"), whole("d"), whole("e")], || "second".into());
        r.relate(true, vec![whole("d"), part("c")], || unreachable!());
        let Err(CertificateError::Field { fields, reason }) = r.verdict() else { panic!() };
        assert_eq!((fields, reason), (vec!["c".to_owned()], "first".to_owned()));
    }
}
