//! Determines which of a model's outputs are class scores, which are labels, and which class each column belongs to.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use ndarray::Array2;
use tribute_core::schema::{Schema, Target};

use super::fit::Scores;
use super::probe::Observed;
use super::values::{label_text, Values};
use super::ImportError;
use crate::onnx::GraphProto;

/// The outputs that carry class scores or labels.
pub(super) struct Outputs {
    /// Sets of scores, all in the same order: one column per class, or a single column for two classes.
    pub(super) scores: Vec<Scores>,
    /// Indices of the outputs with a label for each record.
    pub(super) labels: Vec<usize>,
    /// The model's names for its columns.
    pub(super) names: Option<Vec<String>>,
}

/// Classifies the outputs of a model for records of `schema`. Two outputs of one column each, for two classes, may be two forms of
/// one logit or a column for each class: the second way to read them is returned beside the first.
pub(super) fn sort(
    observed: &Observed,
    graph: &GraphProto,
    schema: &Schema,
) -> Result<(Outputs, Option<Outputs>), ImportError> {
    let classes = schema.classes();
    let (mut labels, mut lists, mut keyed, mut sized) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (at, (_, values)) in observed.outputs.iter().enumerate() {
        match values {
            Some(Values::Labels(given)) => match repeated(given, classes) {
                Some(list) => lists.push(list.to_vec()),
                None => labels.push(at),
            },
            Some(Values::Classes(list)) if list.len() == classes => lists.push(list.clone()),
            Some(Values::Scores(v, Some(keys))) => keyed.push((at, v.ncols(), keys.clone())),
            Some(Values::Scores(v, None)) if are_labels(v, schema) => labels.push(at),
            Some(Values::Scores(v, None)) => sized.push((at, v.ncols())),
            Some(Values::Classes(_)) | None => {}
        }
    }
    lists.extend(attribute_labels(graph, classes));
    lists.extend(keyed.iter().filter(|k| k.1 == classes).map(|k| k.2.clone()));
    let names = lists.into_iter().next();

    let name = |at: usize| observed.outputs[at].0.clone();
    let serves = |columns: usize| columns == classes || (columns == 1 && classes == 2);
    let mut scores = Vec::new();
    for (at, columns, keys) in &keyed {
        if !serves(*columns) {
            continue;
        }
        let order =
            match &names {
                Some(names) if names.len() == *columns => positions(names, keys).ok_or_else(|| {
                    ImportError::Labels { output: name(*at), model: quoted(keys), schema: quoted(names) }
                })?,
                _ => (0..*columns).collect(),
            };
        scores.push(Scores { name: name(*at), columns: order.into_iter().map(|c| (*at, c)).collect() });
    }
    for (at, columns) in &sized {
        if serves(*columns) {
            scores.push(Scores { name: name(*at), columns: (0..*columns).map(|c| (*at, c)).collect() });
        }
    }
    // one output per class
    let single: Vec<usize> = sized.iter().filter(|s| s.1 == 1).map(|s| s.0).collect();
    let regressor = graph.node.iter().any(|n| n.op_type.ends_with("Regressor"));
    let each = classes > 1 && single.len() == classes && !scores.iter().any(|s| s.columns.len() == classes);
    let joined = each.then(|| {
        let joined = single.iter().map(|at| name(*at)).collect::<Vec<_>>().join("`, `");
        let scores = vec![Scores { name: joined, columns: single.iter().map(|at| (*at, 0)).collect() }];
        // labels in the nodes' attributes need not be in the order of the outputs
        Outputs { scores, labels: labels.clone(), names: None }
    });
    // what a regressor gives is no logit
    let joined = match joined {
        Some(joined) if classes > 2 || regressor => return Ok((joined, None)),
        other => other,
    };
    let is_class = matches!(schema.target(), Target::Classes(_));
    let no_scores = || ImportError::NoScores { outputs: quoted(observed.outputs.iter().map(|o| &o.0)) };
    if is_class && scores.iter().all(|s| s.columns.len() == 1) && (regressor || classes > 2) && !single.is_empty() {
        // beside a label it is the score of the answer
        let regression = regressor || labels.is_empty();
        return Err(if regression {
            ImportError::Regression { output: name(single[0]), classes }
        } else {
            no_scores()
        });
    }
    if scores.is_empty() {
        let widest = keyed.iter().map(|k| (k.0, k.1)).chain(sized).max_by_key(|s| s.1);
        let extreme = |at: &&usize| match &observed.outputs[**at].1 {
            Some(Values::Scores(column, _)) => column.iter().all(|x| [0.0, 1.0].contains(x)),
            _ => false,
        };
        return Err(match (widest, labels.iter().find(extreme)) {
            (Some((at, got)), _) => ImportError::Classes { output: name(at), expected: classes, got },
            (None, Some(at)) => ImportError::Extreme { output: name(*at) },
            (None, None) => no_scores(),
        });
    }
    Ok((Outputs { scores, labels, names }, joined))
}

/// The class labels, if an output only repeats them: in batches of as many records as there are classes, they look like a label
/// for each record.
fn repeated(given: &[String], classes: usize) -> Option<&[String]> {
    let list = given.get(..classes)?;
    (once_each(list.iter()) && given.chunks(classes).all(|batch| list.starts_with(batch))).then_some(list)
}

/// Whether a column of floats holds a label for each record, as a comparison cast to float does: numbers that are classes, or whole
/// ones that are their positions, and not always the same.
fn are_labels(column: &Array2<f64>, schema: &Schema) -> bool {
    let Target::Classes(classes) = schema.target() else { return false };
    let known = |x: &f64| {
        let label = label_text(*x);
        let position = x.fract() == 0.0 && (0.0..classes.len() as f64).contains(x);
        position || classes.iter().any(|class| same(class, &label))
    };
    let varied = || column.iter().any(|x| *x != column[[0, 0]]);
    column.ncols() == 1 && column.iter().all(|x| x.abs() < EXACT && known(x)) && varied()
}

/// Class labels from the nodes' attributes, if all nodes with `classes` labels agree.
fn attribute_labels(graph: &GraphProto, classes: usize) -> Option<Vec<String>> {
    let mut found: Option<Vec<String>> = None;
    for a in graph.node.iter().flat_map(|n| &n.attribute).filter(|a| a.name.starts_with("classlabels")) {
        let ints = a.ints.iter().map(ToString::to_string);
        let labels: Vec<String> = ints.chain(a.strings.iter().map(|s| String::from_utf8_lossy(s).into())).collect();
        if labels.len() != classes {
            continue;
        }
        if *found.get_or_insert_with(|| labels.clone()) != labels {
            return None;
        }
    }
    found
}

/// From here on, different whole numbers may be one `f64`.
const EXACT: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

/// Labels as a message has them.
fn quoted<'l>(labels: impl IntoIterator<Item = &'l String>) -> String {
    labels.into_iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
}

/// Whether two labels are equal as text, apart from blanks around it, or as numbers: `1` equals `1.0`.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    a == b
        || match (a.parse::<i128>(), b.parse::<i128>()) {
            (Ok(a), Ok(b)) => a == b,
            _ => matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b && a.abs() < EXACT),
        }
}

/// The one of `given` that is `label`: as text, otherwise the only one that is the same apart from blanks, or the same number.
fn position<'g>(label: &str, given: impl Iterator<Item = Option<&'g String>> + Clone) -> Option<usize> {
    let text = given.clone().position(|g| g.is_some_and(|g| g == label));
    text.or_else(|| {
        let mut numbers = given.enumerate().filter(|(_, g)| g.is_some_and(|g| same(g, label)));
        numbers.next().filter(|_| numbers.next().is_none()).map(|(at, _)| at)
    })
}

/// Position of each of `wanted` in `given`; `None` unless they are the same labels.
fn positions(wanted: &[String], given: &[String]) -> Option<Vec<usize>> {
    let order: Option<Vec<usize>> = wanted.iter().map(|w| position(w, given.iter().map(Some))).collect();
    order.filter(|order| wanted.len() == given.len() && once_each(order.iter().copied()))
}

fn once_each<T: Eq + Hash>(mut all: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    all.all(|one| seen.insert(one))
}

/// Labels given by label outputs where a column is clearly the largest, keyed by output and column.
#[derive(Default)]
pub(super) struct Heard(HashMap<(usize, usize), String>);

impl Heard {
    /// Records that `output` gave `label` where `column` is the largest; `false` if it gave a different one before.
    pub(super) fn note(&mut self, output: usize, column: usize, label: &str) -> bool {
        self.0.entry((output, column)).or_insert_with(|| label.to_owned()) == label
    }
}

/// The column for each of the schema's classes.
///
/// Columns are identified by the model's names for them, or by the label it gives where a column is the largest.
/// Columns without names, or named only by their position, are taken in the schema's order if that is ascending, as in
/// every tool.
pub(super) fn class_order(outputs: &Outputs, heard: &Heard, schema: &Schema) -> Result<Vec<usize>, ImportError> {
    let Target::Classes(classes) = schema.target() else { return Ok(vec![0]) };
    let c = classes.len();
    let wrong =
        |output: &str, model: String| ImportError::Labels { output: output.into(), model, schema: quoted(classes) };
    let numbered = |names: &[String]| names.iter().enumerate().all(|(u, name)| same(name, &u.to_string()));
    let named = outputs.names.as_ref().and_then(|names| positions(classes, names));
    let main = outputs.scores[0].name.as_str();
    if let Some(names) = outputs.names.as_ref().filter(|n| named.is_none() && !numbered(n)) {
        return Err(wrong(main, quoted(names)));
    }
    let mut order = named;
    for output in &outputs.labels {
        let said: Vec<Option<&String>> = (0..c).map(|u| heard.0.get(&(*output, u))).collect();
        let text = || {
            let list = said.iter().map(|s| s.map_or("?".into(), |s| format!("`{s}`"))).collect::<Vec<_>>().join(", ");
            let rest = if said.contains(&None) { " (?: never the largest)" } else { "" };
            list + rest
        };
        if said.iter().all(Option::is_none) {
            continue;
        }
        let is_position = said.iter().enumerate().all(|(u, s)| s.is_none_or(|s| same(s, &u.to_string())));
        let mut column_of: Vec<Option<usize>> =
            classes.iter().map(|class| position(class, said.iter().copied())).collect();
        let heard_count = said.iter().flatten().count();
        let found = column_of.iter().flatten().count();
        // 0, 1, 2 are taken as column numbers, unless every class of the schema is among them
        if is_position && found < c {
            continue;
        }
        if found < heard_count || !once_each(column_of.iter().flatten().copied()) {
            return Err(wrong(main, text()));
        }
        // if exactly one class never wins, the remaining column is its
        let left: Vec<usize> = (0..c).filter(|u| !column_of.contains(&Some(*u))).collect();
        if let [left] = left[..] {
            column_of.iter_mut().filter(|u| u.is_none()).for_each(|u| *u = Some(left));
        }
        match (&order, column_of.iter().copied().collect::<Option<Vec<usize>>>()) {
            (Some(known), _) => {
                let agrees = known.iter().zip(&column_of).all(|(a, b)| b.is_none_or(|b| b == *a));
                if !agrees {
                    return Err(wrong(main, text()));
                }
            }
            (None, Some(all)) => order = Some(all),
            // as if there were no labels
            (None, None)
                if ascending(classes) && column_of.iter().enumerate().all(|(u, c)| c.is_none_or(|c| c == u)) => {}
            (None, None) => {
                return Err(ImportError::Unheard { output: main.into(), model: text(), schema: quoted(classes) })
            }
        }
    }
    match order {
        Some(order) => Ok(order),
        None if ascending(classes) => Ok((0..c).collect()),
        None => Err(ImportError::Order { classes: quoted(classes) }),
    }
}

/// Whether labels ascend: as numbers if all of them are numbers, of which no two are the same, otherwise by their bytes.
fn ascending(labels: &[String]) -> bool {
    fn numbers<N: std::str::FromStr + PartialOrd>(labels: &[String]) -> Option<bool> {
        let numbers: Option<Vec<N>> = labels.iter().map(|l| l.parse().ok()).collect();
        numbers.map(|n| n.is_sorted_by(|a, b| a < b))
    }
    numbers::<i128>(labels).or_else(|| numbers::<f64>(labels)).unwrap_or_else(|| labels.is_sorted())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tribute_core::schema::Feature;

    fn schema(labels: &[&str]) -> Schema {
        let features = vec![Feature { name: "x".into(), lo: 0.0, hi: 1.0 }];
        Schema::new("s".into(), features, Target::Classes(labels.iter().map(|l| (*l).into()).collect()), None).unwrap()
    }

    fn order(names: Option<&[&str]>, said: &[(usize, &str)], classes: &[&str]) -> Result<Vec<usize>, ImportError> {
        let scores = vec![Scores { name: "p".into(), columns: (0..classes.len()).map(|c| (0, c)).collect() }];
        let names = names.map(|n| n.iter().map(|n| (*n).to_owned()).collect());
        let mut heard = Heard::default();
        for (column, label) in said {
            assert!(heard.note(1, *column, label));
        }
        class_order(&Outputs { scores, labels: vec![1], names }, &heard, &schema(classes))
    }

    #[test]
    fn names_and_answers_decide_the_order_together() {
        let abc = ["a", "b", "c"];
        assert_eq!(order(Some(&["c", "a", "b"]), &[], &abc).unwrap(), [1, 2, 0]);
        assert_eq!(order(Some(&["c", "a", "b"]), &[(0, "c"), (2, "b")], &abc).unwrap(), [1, 2, 0]);
        assert_eq!(order(None, &[(0, "c"), (2, "b")], &abc).unwrap(), [1, 2, 0], "the third is what is left");
        assert_eq!(order(Some(&["0", "1", "2"]), &[(0, "0")], &abc).unwrap(), [0, 1, 2]);
        assert_eq!(order(Some(&["0", "1", "2"]), &[(0, "c"), (1, "b"), (2, "a")], &abc).unwrap(), [2, 1, 0]);
        assert_eq!(order(None, &[], &abc).unwrap(), [0, 1, 2]);
        // column numbers that look like some of the labels
        assert_eq!(order(None, &[(1, "1"), (2, "2")], &["1", "2", "7"]).unwrap(), [0, 1, 2]);
        assert_eq!(order(None, &[(0, "0"), (1, "1")], &["1", "0"]).unwrap(), [1, 0]);
        // blanks around a label do not count
        assert_eq!(order(Some(&[" c", "a", "b "]), &[(0, " c")], &abc).unwrap(), [1, 2, 0]);
        assert_eq!(order(Some(&["a", " a"]), &[], &[" a", "a"]).unwrap(), [1, 0]);
        assert_eq!(order(Some(&["7", "1", "2"]), &[(1, "1")], &["1.0", "2", "7.0"]).unwrap(), [1, 2, 0]);
    }

    /// Labels that are one `f64`, and those that are one number in two spellings.
    #[test]
    fn labels_that_look_alike_keep_their_own_columns() {
        let large = ["9007199254740992", "9007199254740993"];
        assert_eq!(order(Some(&[large[1], large[0]]), &[], &large).unwrap(), [1, 0]);
        assert_eq!(order(None, &[(0, large[1]), (1, large[0])], &large).unwrap(), [1, 0]);
        assert_eq!(order(None, &[], &large).unwrap(), [0, 1]);
        assert_eq!(order(Some(&["007", "7"]), &[], &["7", "007"]).unwrap(), [1, 0]);
        assert_eq!(order(Some(&["infinity", "inf"]), &[], &["inf", "infinity"]).unwrap(), [1, 0]);
        for refused in [
            order(Some(&["7", "8"]), &[], &["7", "007"]),
            order(None, &[(0, "7")], &["7", "007"]),
            order(Some(&["7.0", "07"]), &[], &["7", "007"]),
            order(Some(&["9007199254740992.0", "1"]), &[], &["9007199254740992", "1"]),
        ] {
            assert!(matches!(refused, Err(ImportError::Labels { .. })), "{refused:?}");
        }
        for classes in [[large[1], large[0]], ["7", "007"], ["inf", "infinity"]] {
            assert!(matches!(order(None, &[], &classes), Err(ImportError::Order { .. })), "{classes:?}");
        }
    }

    /// As without labels, unless what is heard contradicts it.
    #[test]
    fn columns_that_are_never_the_largest_are_in_ascending_order() {
        let (ascending, not) = (["a", "b", "c"], ["b", "a", "c"]);
        for (column, label) in [(0, "a"), (1, "b"), (2, "c")] {
            assert_eq!(order(None, &[(column, label)], &ascending).unwrap(), [0, 1, 2]);
        }
        for (said, classes) in [((0, "b"), &ascending), ((0, "b"), &not), ((2, "c"), &not)] {
            let e = order(None, &[said], classes).unwrap_err();
            assert!(
                matches!(&e, ImportError::Unheard { .. }) && e.to_string().contains("(?: never the largest)"),
                "{e}"
            );
        }
    }

    #[test]
    fn floats_are_labels_if_all_are_classes_or_positions() {
        let is = |values: &[f64], classes: &[&str]| {
            are_labels(&Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap(), &schema(classes))
        };
        let single = |x: f32| f64::from(x);
        for (values, classes, wanted) in [
            (&[0.0, 1.0, -0.0][..], &["no", "yes"][..], true),
            (&[1.0, 2.0], &["1", "2"], true),
            (&[1.5, 0.5, 1.0], &["0.5", "1", "1.5"], true),
            (&[0.0, 0.5], &["0", "0.50"], true),
            (&[single(0.1), single(0.2)], &["0.1", "0.2"], true),
            (&[0.1, 0.2], &["0.1", "0.2"], true),
            (&[0.0, 0.0], &["0", "1"], false),
            (&[0.0, 0.5, 1.0], &["0", "1"], false),
            (&[0.0, 2.0], &["no", "yes"], false),
            (&[0.0, f64::NAN], &["0", "1"], false),
        ] {
            assert_eq!(is(values, classes), wanted, "{values:?} {classes:?}");
        }
    }

    #[test]
    fn a_list_of_the_classes_is_no_label_of_records() {
        let of = |labels: &[&str]| labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let list = of(&["a", "b", "c"]);
        assert_eq!(repeated(&of(&["a", "b", "c", "a", "b", "c", "a"]), 3), Some(&list[..]));
        assert_eq!(repeated(&of(&["a", "b", "c", "a", "c", "b"]), 3), None);
        assert_eq!(repeated(&of(&["a", "a", "a", "a", "a", "a"]), 3), None);
        assert_eq!(repeated(&of(&["a", "b"]), 3), None);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let abc = ["a", "b", "c"];
        for refused in [
            order(Some(&["a", "b", "d"]), &[], &abc),
            order(Some(&["a", "b"]), &[], &abc),
            order(None, &[(0, "x")], &abc),
            order(Some(&["a", "b", "c"]), &[(0, "b")], &abc),
        ] {
            assert!(matches!(refused, Err(ImportError::Labels { .. })), "{refused:?}");
        }
        assert!(matches!(order(None, &[], &["b", "a"]), Err(ImportError::Order { .. })));
        assert!(matches!(
            order(None, &[(0, "0")], &["10", "2"]),
            Err(ImportError::Labels { .. } | ImportError::Order { .. })
        ));
        assert_eq!(order(None, &[], &["2", "10"]).unwrap(), [0, 1]);
        let mut heard = Heard::default();
        assert!(heard.note(0, 0, "a") && heard.note(0, 1, "b") && heard.note(1, 0, "b") && heard.note(0, 0, "a"));
        assert!(!heard.note(0, 0, "b"));
    }
}
