//! Finds the wrong field from relations that should hold between fields.
//!
//! A certificate states most things twice: once in a field of its own, once in a proof or a digest. When relations
//! fail, the suspects are the fields that occur in every failed relation and are not fully bound by one that holds. If there
//! is none, more than one field is wrong: then the suspects are those of each failed relation that no relation that holds
//! fully binds.

use std::collections::HashSet;

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
        let right: HashSet<&str> = self
            .0
            .iter()
            .filter(|r| r.reason.is_none())
            .flat_map(|r| r.fields.iter().filter(|f| f.whole).map(|f| f.path.as_str()))
            .collect();
        let in_all = |f: &&str| failed.iter().all(|(fields, _)| fields.iter().any(|g| g.path == *f));
        let unproven = |f: &&str| !right.contains(f);
        let common: Vec<&str> = first.iter().map(|f| f.path.as_str()).filter(in_all).collect();
        let mut named: Vec<&str> = common.iter().copied().filter(unproven).collect();
        if named.is_empty() {
            named =
                failed.iter().flat_map(|(fields, _)| fields.iter().map(|f| f.path.as_str())).filter(unproven).collect();
            let mut seen = HashSet::new();
            named.retain(|f| seen.insert(*f));
        }
        // relations that contradict each other: nothing is known to be right
        if named.is_empty() {
            named = if common.is_empty() { first.iter().map(|f| f.path.as_str()).collect() } else { common };
        }
        Err(CertificateError::Field {
            fields: named.into_iter().map(str::to_owned).collect(),
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

    fn named(r: &Relations) -> Vec<String> {
        let Err(CertificateError::Field { fields, .. }) = r.verdict() else { panic!() };
        fields
    }

    #[test]
    fn several_wrong_fields_are_named_and_not_what_they_share() {
        // two shares that do not follow from the contributions, which their own relations hold for
        let mut r = Relations::default();
        for contribution in ["n0", "n1", "n2"] {
            r.relate(true, vec![whole(contribution)], || unreachable!());
        }
        for (share, holds) in [("s0", false), ("s1", true), ("s2", false)] {
            r.relate(holds, vec![whole(share), part("n0"), part("n1"), part("n2")], || "other".into());
        }
        assert_eq!(named(&r), ["s0", "s2"]);

        // nothing in common at all
        let mut r = Relations::default();
        r.relate(false, vec![whole("a"), whole("b")], || "first".into());
        r.relate(true, vec![whole("b")], || unreachable!());
        r.relate(false, vec![whole("c"), whole("b")], || "second".into());
        assert_eq!(named(&r), ["a", "c"]);

        // all of it proven right by something that holds: what the failing ones share
        let mut r = Relations::default();
        r.relate(true, vec![whole("a"), whole("b"), whole("c")], || unreachable!());
        r.relate(false, vec![whole("a"), whole("b")], || "first".into());
        r.relate(false, vec![whole("a"), whole("c")], || "second".into());
        assert_eq!(named(&r), ["a"]);
    }
}
