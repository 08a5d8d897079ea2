//! Why no model can be made or certified. The numbers in these errors are functions of the records, at weights that the caller
//! may have chosen. Where not all records are the caller's own, they have one significant digit, and no record, feature or
//! class is named: so a refusal tells little more of others' data than that it is one, and costs a use of it all the same.

use tribute_core::head::{ContributionError, HeadError};
use tribute_core::link::NoShift;
use tribute_inference::{OptimumError, TrainError};
use tribute_problem::{Problem, Reason};

/// Training is impossible; `own` says whether all records are the caller's.
pub(crate) fn untrainable(e: &TrainError, own: bool) -> Problem {
    let told = if own { e.to_string() } else { training_of_others(e) };
    let problem = Problem::new(Reason::BadField, format!("training: {told}"));
    match e {
        TrainError::LambdaTooSmall { least, .. } => problem.with("least", least),
        TrainError::Read { reason } => unreadable(reason),
        _ => problem,
    }
}

/// [`TrainError`], as it is told of other people's data.
pub(crate) fn training_of_others(e: &TrainError) -> String {
    match e {
        TrainError::NotConverged { .. } => "no minimum was found: raise lambda".into(),
        TrainError::Weight { .. } => {
            "the optimum has a weight that is too large, weights must stay below 32: raise lambda".into()
        }
        TrainError::Target { .. } => "a record's class is not in the schema".into(),
        TrainError::Head(e) => head_of_others(e),
        // of the request, the schema and the number of records, which are no secrets
        TrainError::Records { .. }
        | TrainError::Width { .. }
        | TrainError::Lambda { .. }
        | TrainError::LambdaTooSmall { .. }
        | TrainError::SoftmaxOfOne
        | TrainError::Read { .. } => e.to_string(),
    }
}

/// [`HeadError`], as it is told of other people's data.
pub(crate) fn head_of_others(e: &HeadError) -> String {
    match e {
        HeadError::Link { .. } => UNRESOLVED.into(),
        HeadError::Target { .. } => "a record's class is not one of the layout's".into(),
        HeadError::Weight { .. } => "a weight is too large, weights must stay below 32: raise lambda".into(),
        HeadError::Loss { .. } => {
            "the loss over these records is beyond 2^33: the weights are not fitted to such records (or raise lambda)"
                .into()
        }
        HeadError::NotOptimal { norm, limit, .. } => format!(
            "the model is not an optimum: its gradient has a norm of about {}, at most {limit:.0e} can be certified",
            digit(*norm)
        ),
        other => other.to_string(),
    }
}

const UNRESOLVED: &str =
    "a record has logits that the link's tables do not resolve: the weights are too large for such records, raise lambda";

/// The link's tables do not resolve the logits of a record, whose ever it is.
pub(crate) fn unresolved(_: NoShift) -> Problem {
    Problem::new(Reason::BadField, UNRESOLVED)
}

/// A shard's gradient cannot be computed, whose ever it is.
pub(crate) fn no_gradient(e: HeadError) -> Problem {
    match e {
        HeadError::Link { source, .. } => unresolved(source),
        other => Problem::internal(head_of_others(&other)),
    }
}

/// The model is refused; `own` says whether all records are the caller's.
pub(crate) fn not_optimal(e: &OptimumError, own: bool) -> Problem {
    if own {
        of_own(e)
    } else {
        of_others(e)
    }
}

fn of_others(e: &OptimumError) -> Problem {
    match e {
        OptimumError::NotOptimal { gradient, allowed, .. } => {
            let (gradient, allowed) = (digit(*gradient), digit(*allowed));
            Problem::new(
                Reason::NotTheOptimum,
                format!(
                    "the model is not the optimum of this loss over these datasets: its gradient has a norm of about \
                     {gradient}, at most {allowed} can be certified. More is said where all datasets are the caller's own"
                ),
            )
            .with("gradient", gradient)
            .with("allowed", allowed)
        }
        OptimumError::Contributions(_) => Problem::new(
            Reason::NotTheOptimum,
            "the model is not the optimum of this loss over these datasets: no certificate can be made of what they contribute",
        ),
        OptimumError::LambdaTooSmall { needed, .. } => {
            let least = digit_above(*needed);
            let message = format!(
                "is too small for the model over these datasets to be certified: use {least} or more. More is said where all \
                 datasets are the caller's own"
            );
            Problem::field("lambda", message).with("least", least)
        }
        OptimumError::Head(e) => Problem::new(Reason::BadField, head_of_others(e)),
        OptimumError::Read { reason } => unreadable(reason),
    }
}

fn of_own(e: &OptimumError) -> Problem {
    match e {
        OptimumError::NotOptimal { gradient, allowed, feature, class, entry, diagnosis } => {
            let best = diagnosis.best_lambda.map_or_else(String::new, |lambda| lambda.to_string());
            Problem::new(Reason::NotTheOptimum, e.to_string())
                .with("best_lambda", best)
                .with("diagnosis", diagnosis)
                .with("gradient", gradient)
                .with("allowed", allowed)
                .with("feature", feature)
                .with("class", class)
                .with("entry", entry)
        }
        OptimumError::Contributions(refused) => {
            let problem = Problem::new(Reason::NotTheOptimum, e.to_string());
            match refused {
                ContributionError::Negative { dataset, .. } => problem.with("dataset", dataset),
                _ => problem,
            }
        }
        OptimumError::LambdaTooSmall { needed, .. } => Problem::field("lambda", e.to_string()).with("least", needed),
        OptimumError::Head(_) => Problem::new(Reason::BadField, e.to_string()),
        OptimumError::Read { reason } => unreadable(reason),
    }
}

/// A shard could be registered, but not be read again.
pub(crate) fn unreadable(reason: &str) -> Problem {
    Problem::new(Reason::ArtefactDamaged, format!("a shard's records: {reason}"))
}

/// A number with one significant digit.
pub(crate) fn digit(x: f64) -> String {
    format!("{x:.0e}")
}

/// The next number of one significant digit that is not below `x`, which is positive.
fn digit_above(x: f64) -> String {
    let unit = 10f64.powf(x.log10().floor());
    digit((x / unit).ceil() * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits of the numbers in a text, without exponents.
    fn longest_number(text: &str) -> usize {
        let numbers = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        numbers.map(|n| n.chars().filter(char::is_ascii_digit).count()).max().unwrap_or(0)
    }

    #[test]
    fn of_others_data_numbers_have_one_digit() {
        let secret = 0.000_123_456_789;
        let link = HeadError::Link { record: 1234, source: NoShift { miss_bits: -37 } };
        let training = [
            TrainError::NotConverged { steps: 57, gradient: secret, wanted: 1e-9 },
            TrainError::Weight { feature: "age".into(), class: "ill".into(), value: 45.678 },
            TrainError::Target { dataset: 12, record: 345, target: 67, classes: 89 },
            TrainError::Head(link.clone()),
            TrainError::Head(HeadError::Weight { block: 123, class: 45, value: 678_901 }),
            TrainError::Head(HeadError::NotOptimal { norm: secret, limit: 1e-9, block: 12, class: 34 }),
        ];
        for e in training {
            assert!(longest_number(&untrainable(&e, true).message) > 2, "{e}");
            let told = untrainable(&e, false);
            // "below 32" is the same for everybody
            assert!(longest_number(&told.message.replace("32", "")) <= 2, "{told}");
            assert!(!["age", "ill"].iter().any(|name| told.message.contains(&format!("{name} for"))), "{told}");
        }
        let e = OptimumError::LambdaTooSmall { lambda: 1e-9, link_error: 1e-12, norm: 12.345, needed: secret };
        assert!(not_optimal(&e, true).message.contains("12.345"));
        let told = not_optimal(&e, false);
        assert_eq!((told.reason, told.metadata["least"].as_str()), (Reason::BadField, "2e-4"));
        assert!(!told.message.contains("12."), "{told}");
        let told = not_optimal(&OptimumError::Head(link), false);
        assert!(longest_number(&told.message) == 0 && told.metadata.is_empty(), "{told}");
    }

    #[test]
    fn a_digit_above_is_enough() {
        for (x, above) in [(1e-4, "1e-4"), (1.01e-4, "2e-4"), (9.5e-3, "1e-2"), (3.2, "4e0")] {
            assert_eq!(digit_above(x), above);
            assert!(digit_above(x).parse::<f64>().unwrap() >= x);
        }
    }
}
