//! Why a model is not the optimum: what its gradient reveals about its training.
//!
//! At an optimum the data's gradient cancels the penalty: `g + λ·w = 0`, coordinate by coordinate. How this fails shows
//! how the model was trained: one λ fits all coordinates but differs from the terms' λ; or each feature has its own λ,
//! because it was scaled differently; or the bias is not penalised; or features that matter have no weight.

use std::fmt;

use tribute_core::layout::MAX_INTERCEPT_SCALE;
use tribute_core::link::Link;
use tribute_core::schema::{Schema, Target};

/// A guess at how a model was trained, for people to read: no decision depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// λ that minimises `‖g + λ·w‖`, if there is a positive one.
    pub best_lambda: Option<f64>,
    /// Norm of the gradient at that λ.
    pub gradient: f64,
    /// Whether the bias appears to be unpenalised, or nearly so.
    pub free_bias: bool,
    /// The most likely explanation.
    pub looks: Looks,
    /// λ and link of the terms, and the intercept scale of the layout.
    lambda: f64,
    link: Link,
    intercept_scale: u32,
    records: usize,
    /// Bound of the distance to the optimum, relative to the weights' norm.
    distance: f64,
}

/// The most likely reason why a model is not the optimum.
#[derive(Clone, Debug, PartialEq)]
pub enum Looks {
    /// The optimum of other terms: with `best_lambda` it could be certified.
    OtherTerms,
    /// The optimum of these very terms, to within single precision.
    SinglePrecision,
    /// Close to an optimum: stopped early, or fitted to slightly different records.
    Close,
    /// Features that would lower the loss have zero weights.
    FeaturesLeftOut(Vec<String>),
    /// Each feature fits a different λ, so the features were scaled differently.
    OtherScale {
        /// λ on the raw features, if a single one fits.
        raw_lambda: Option<f64>,
    },
    /// Close to an optimum of the loss of this link.
    OtherLoss(Link),
    /// Far from any optimum over these records.
    Far,
}

/// A model as real numbers. Weights and gradients have shape `[d + 1][c]`, bias first.
pub(crate) struct Model<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) weights: &'a [f64],
    pub(crate) lambda: f64,
    pub(crate) intercept_scale: u32,
    pub(crate) link: Link,
    pub(crate) records: usize,
    /// Norm of the gradient that single precision may leave.
    pub(crate) single: f64,
    /// Largest certifiable norm of the gradient, given λ and the norm of the penalised weights.
    pub(crate) allowed: &'a dyn Fn(f64, f64) -> f64,
    /// Mean gradient of the data for a link; `None` if the link is not applicable.
    pub(crate) gradient: &'a dyn Fn(Link) -> Option<Vec<f64>>,
}

/// Largest residual, relative to the penalty, at which a fitted λ counts as cancelling the gradient. With one λ per
/// feature the limit is four times as large, because quantisation of the records weighs more where the penalty is
/// small.
const CLOSE: f64 = 0.05;

/// The λ that best cancels a gradient.
struct Fit {
    lambda: f64,
    residual: f64,
    /// Norm of the penalised weights.
    norm: f64,
}

impl Fit {
    /// Fits λ by least squares to the coordinates from `first` on. The gradient of those before counts as it is.
    fn new(weights: &[f64], gradient: &[f64], first: usize) -> Self {
        let (w, g) = (&weights[first..], &gradient[first..]);
        let square: f64 = w.iter().map(|w| w * w).sum();
        let inner: f64 = w.iter().zip(g).map(|(w, g)| w * g).sum();
        let lambda = if square > 0.0 { (-inner / square).max(0.0) } else { 0.0 };
        let penalised = w.iter().zip(g).map(|(w, g)| (g + lambda * w).powi(2)).sum::<f64>();
        let free = gradient[..first].iter().map(|g| g * g).sum::<f64>();
        Fit { lambda, residual: (penalised + free).sqrt(), norm: square.sqrt() }
    }

    fn is_close(&self) -> bool {
        self.lambda > 0.0 && self.residual <= CLOSE * self.lambda * self.norm
    }
}

impl Model<'_> {
    /// Finds the most likely reason.
    pub(crate) fn diagnose(&self) -> Diagnosis {
        let classes = self.schema.classes();
        let gradient = (self.gradient)(self.link).unwrap_or_else(|| vec![0.0; self.weights.len()]);
        let [with_bias, without] = [0, classes].map(|first| Fit::new(self.weights, &gradient, first));
        // require a much better fit without the bias: a slightly wrong λ affects the bias too
        let free_bias = without.is_close() && without.residual < 0.25 * with_bias.residual;
        let (fit, first) = if free_bias { (&without, classes) } else { (&with_bias, 0) };
        let entries = self.weights.iter().zip(&gradient).map(|(w, g)| (g + self.lambda * w).powi(2));
        let remains = entries.sum::<f64>().sqrt();
        let looks = if fit.lambda > 0.0 && fit.residual <= (self.allowed)(fit.lambda, fit.norm) {
            Looks::OtherTerms
        } else if remains <= self.single {
            Looks::SinglePrecision
        } else if let Some(features) = self.left_out(&gradient) {
            Looks::FeaturesLeftOut(features)
        } else if let Some(raw_lambda) = self.other_scale(&gradient) {
            Looks::OtherScale { raw_lambda }
        } else if fit.is_close() {
            Looks::Close
        } else {
            self.other_loss(first).map_or(Looks::Far, Looks::OtherLoss)
        };
        Diagnosis {
            best_lambda: (fit.lambda > 0.0).then_some(fit.lambda),
            gradient: fit.residual,
            free_bias,
            looks,
            lambda: self.lambda,
            link: self.link,
            intercept_scale: self.intercept_scale,
            records: self.records,
            distance: remains / (self.lambda * self.weights.iter().map(|w| w * w).sum::<f64>().sqrt()),
        }
    }

    /// Features with zero weights but a gradient that is not small, if other features have weights.
    fn left_out(&self, gradient: &[f64]) -> Option<Vec<String>> {
        let classes = self.schema.classes();
        let size = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let norms: Vec<f64> = self.weights.chunks_exact(classes).map(size).collect();
        let slopes: Vec<f64> = gradient.chunks_exact(classes).map(size).collect();
        let largest = norms[1..].iter().fold(0.0f64, |a, b| a.max(*b));
        let steepest = slopes[1..].iter().fold(0.0f64, |a, b| a.max(*b));
        let features = self.schema.features().iter().zip(norms[1..].iter().zip(&slopes[1..]));
        let names: Vec<String> = features
            .filter(|(_, (norm, slope))| **norm < 1e-5 * largest && **slope > 1e-2 * steepest)
            .map(|(f, _)| f.name.clone())
            .collect();
        (!names.is_empty()).then_some(names)
    }

    /// `Some` if each feature has its own λ that cancels its gradient while no common λ does; the inner value is λ in
    /// raw units, if it is the same for all features.
    fn other_scale(&self, gradient: &[f64]) -> Option<Option<f64>> {
        let classes = self.schema.classes();
        // the bias is left out: it has no scale
        let common = Fit::new(&self.weights[classes..], &gradient[classes..], 0);
        // residual gradient if every feature has its own λ
        let (mut residual, mut penalty) = (0.0, 0.0);
        let mut raw: Vec<(f64, f64)> = Vec::new();
        for (j, feature) in self.schema.features().iter().enumerate() {
            let block = (j + 1) * classes..(j + 2) * classes;
            let own = Fit::new(&self.weights[block.clone()], &gradient[block], 0);
            residual += own.residual.powi(2);
            penalty += (own.lambda * own.norm).powi(2);
            raw.push((own.lambda * (feature.hi - feature.lo).powi(2), own.lambda * own.norm));
        }
        let worse = common.residual.powi(2) > 4.0 * residual;
        if classes < 2 || !worse || residual.sqrt() > 4.0 * CLOSE * penalty.sqrt() {
            return None;
        }
        // mean of λ, weighted by how precisely each is determined
        let weight: f64 = raw.iter().map(|r| r.1 * r.1).sum();
        let mean = raw.iter().map(|r| r.0 * r.1 * r.1).sum::<f64>() / weight;
        let spread = raw.iter().map(|r| ((r.0 - mean) * r.1).powi(2)).sum::<f64>() / weight;
        Some((spread.sqrt() < 0.04 * mean).then_some(mean))
    }

    /// Another link under which some λ comes close, with the coordinates from `first` on penalised.
    fn other_loss(&self, first: usize) -> Option<Link> {
        let possible = |link: &Link| {
            *link != self.link && (*link != Link::Softmax || matches!(self.schema.target(), Target::Classes(_)))
        };
        let links = [Link::Softmax, Link::Logistic, Link::Squared].into_iter().filter(possible);
        links
            .filter(|link| {
                let gradient = (self.gradient)(*link);
                gradient.is_some_and(|g| Fit::new(self.weights, &g, first).is_close())
            })
            .min_by(|a, b| {
                let residual = |l: &Link| (self.gradient)(*l).map(|g| Fit::new(self.weights, &g, first).residual);
                residual(a).partial_cmp(&residual(b)).unwrap_or(std::cmp::Ordering::Equal)
            })
    }
}

/// Rounds to six significant digits.
fn short(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = self.best_lambda.map(short);
        match &self.looks {
            Looks::OtherTerms => {
                write!(f, "It looks differently penalised: ")?;
                match best {
                    Some(best) if (best / self.lambda - 1.0).abs() > 1e-4 => {
                        write!(f, "it is the optimum for lambda = {best}, but the terms have {}", short(self.lambda))?;
                    }
                    _ => write!(f, "lambda matches the terms")?,
                }
            }
            // of these terms, so there is nothing to say about others
            Looks::SinglePrecision => {
                return write!(
                    f,
                    "It looks like single precision: the optimum of these terms to the 24 bits of a 32-bit float, as skl2onnx and \
                     PyTorch write by default, where a certificate takes more. `tribute agent import --polish` with the same model \
                     and terms moves its weights to the optimum, by less than {:.0e} of their norm, and says how far; or export it \
                     in double precision",
                    self.distance
                )
            }
            Looks::Close => write!(
                f,
                "It looks unconverged, or fitted to slightly different records, such as the values before quantisation to 8 bits; \
                 `tribute agent import --polish` moves its weights to the optimum and says how far"
            )?,
            Looks::FeaturesLeftOut(names) => {
                const SHOWN: usize = 5;
                let shown = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                let rest = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
                write!(f, "It looks as if it was trained without the features {shown}{rest}: register records without them, or train with them")?;
            }
            Looks::OtherScale { raw_lambda: Some(raw) } => write!(
                f,
                "It looks unscaled: trained on raw values with lambda = {}, while the terms penalise features scaled to [0, 1]",
                short(*raw)
            )?,
            Looks::OtherScale { raw_lambda: None } => write!(
                f,
                "It looks differently scaled: each feature fits a different lambda, as after a StandardScaler, while the terms penalise features scaled to [0, 1]"
            )?,
            Looks::OtherLoss(link) => write!(f, "It looks as if it was trained with the loss of the {} link", link.name())?,
            Looks::Far => write!(f, "It is far from any optimum over these records: it may have been trained on other records, with another loss, or stopped very early")?,
        }
        if self.free_bias {
            write!(f, "; its bias appears to be unpenalised")?;
            match self.intercept_scale {
                MAX_INTERCEPT_SCALE => {
                    write!(f, ", even more so than at intercept scale {MAX_INTERCEPT_SCALE}, the largest")?
                }
                scale => write!(f, ": a layout with a larger intercept scale than {scale} comes closer")?,
            }
        }
        match best {
            Some(best) => write!(
                f,
                ". The lambda that fits it best is {best}, where its gradient has norm {:.1e}",
                self.gradient
            )?,
            None => {
                write!(f, ". No lambda fits it: its gradient, of norm {:.1e}, points away from zero", self.gradient)?
            }
        }
        let (lambda, link) = (short(self.lambda), self.link.name());
        write!(f, ". `tribute agent train --lambda {lambda} --link {link}` with the same datasets finds the optimum")?;
        let n = self.records as f64;
        let strength = match self.link {
            Link::Squared => format!("Ridge(alpha = {})", short(self.lambda * n)),
            Link::Logistic | Link::Softmax => format!("C = {}", short(1.0 / (self.lambda * n))),
        };
        let bias = match self.intercept_scale {
            0 => "the bias as an additional penalised column of ones".to_owned(),
            scale => format!("the bias as an additional penalised column of {}", 1 << scale),
        };
        write!(f, "; so does scikit-learn on the 8-bit features q/256 with {strength}, {bias} and tol = 1e-10")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tribute_core::schema::Feature;

    const D: usize = 3;
    const C: usize = 2;
    const W: [f64; 8] = [0.5, -0.5, 1.0, -1.0, -2.0, 2.0, 0.5, -0.5];
    const LAMBDA: f64 = 0.01;

    fn schema() -> Schema {
        let feature = |(j, hi): (usize, f64)| Feature { name: format!("f{j}"), lo: 0.0, hi };
        let features = [2.0, 5.0, 10.0].into_iter().enumerate().map(feature).collect();
        Schema::new("s".into(), features, Target::Classes(vec!["a".into(), "b".into()]), None).unwrap()
    }

    /// Diagnoses `weights`, given a gradient for the terms' link and one for the logistic link.
    fn diagnose(weights: &[f64], gradient: [f64; 8], logistic: [f64; 8], intercept_scale: u32) -> Diagnosis {
        Model {
            schema: &schema(),
            weights,
            lambda: LAMBDA,
            intercept_scale,
            link: Link::Softmax,
            records: 100,
            single: 1.05e-4 * LAMBDA * W.iter().map(|w| w * w).sum::<f64>().sqrt(),
            allowed: &|lambda, norm| 1e-4 * lambda * norm,
            gradient: &|link| match link {
                Link::Softmax => Some(gradient.to_vec()),
                Link::Logistic => Some(logistic.to_vec()),
                Link::Squared => None,
            },
        }
        .diagnose()
    }

    /// `-λ_j·w`, with one λ per block.
    fn cancelling(weights: &[f64], lambdas: [f64; D + 1]) -> [f64; 8] {
        std::array::from_fn(|i| -lambdas[i / C] * weights[i])
    }

    const NOTHING: [f64; 8] = [1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0];

    #[test]
    fn the_optimum_of_other_terms_is_told_with_them() {
        let d = diagnose(&W, cancelling(&W, [0.02; 4]), NOTHING, 0);
        assert_eq!((d.looks.clone(), d.free_bias), (Looks::OtherTerms, false));
        assert!((d.best_lambda.unwrap() - 0.02).abs() < 1e-12 && d.gradient < 1e-12);
        let text = d.to_string();
        assert!(text.contains("optimum for lambda = 0.02, but the terms have 0.01"), "{text}");
        assert!(text.contains("--lambda 0.01 --link softmax`") && text.contains("C = 1,"), "{text}");

        // a bias without penalty
        let free = diagnose(&W, cancelling(&W, [0.0, 0.01, 0.01, 0.01]), NOTHING, 0);
        assert_eq!((free.looks.clone(), free.free_bias), (Looks::OtherTerms, true));
        assert!(free.to_string().contains("a larger intercept scale than 0 comes closer"), "{free}");
        let at_largest = diagnose(&W, cancelling(&W, [0.0, 0.01, 0.01, 0.01]), NOTHING, 4).to_string();
        assert!(
            at_largest.contains("intercept scale 4, the largest") && at_largest.contains("column of 16"),
            "{at_largest}"
        );
    }

    #[test]
    fn close_ends_where_the_gradient_is_a_twentieth_of_the_penalty() {
        let norm = W.iter().map(|w| w * w).sum::<f64>().sqrt();
        let off = |by: f64| {
            let mut gradient = cancelling(&W, [LAMBDA; 4]);
            // orthogonal to W, in the block of the first feature and the second
            gradient[2] += by * LAMBDA * norm * 0.5f64.sqrt();
            gradient[3] += by * LAMBDA * norm * 0.5f64.sqrt();
            diagnose(&W, gradient, NOTHING, 0).looks
        };
        assert_eq!(off(0.9e-4), Looks::OtherTerms);
        assert_eq!(off(1.04e-4), Looks::SinglePrecision);
        assert_eq!(off(1.06e-4), Looks::Close);
        assert_eq!(off(0.049), Looks::Close);
        assert_eq!(off(0.051), Looks::Far);
    }

    #[test]
    fn features_without_weights_and_scales_of_their_own_are_recognised() {
        let mut w = W;
        (w[4], w[5]) = (0.0, 0.0);
        let mut gradient = cancelling(&w, [LAMBDA; 4]);
        (gradient[4], gradient[5]) = (0.01, -0.01);
        assert_eq!(diagnose(&w, gradient, NOTHING, 0).looks, Looks::FeaturesLeftOut(vec!["f1".into()]));
        // an uninformative feature has no weight at the optimum either
        (gradient[4], gradient[5]) = (1e-9, 1e-9);
        assert_eq!(diagnose(&w, gradient, NOTHING, 0).looks, Looks::OtherTerms);

        // λ = 0.04 on raw values of ranges 2, 5 and 10
        let raw = diagnose(&W, cancelling(&W, [0.0, 0.01, 0.0016, 0.0004]), NOTHING, 4);
        match raw.looks {
            Looks::OtherScale { raw_lambda: Some(lambda) } => assert!((lambda - 0.04).abs() < 1e-9),
            ref other => panic!("{other:?}"),
        }
        assert!(raw.to_string().contains("unscaled"), "{raw}");
        let standardised = diagnose(&W, cancelling(&W, [0.0, 0.01, 0.03, 0.002]), NOTHING, 4);
        assert_eq!(standardised.looks, Looks::OtherScale { raw_lambda: None });
    }

    #[test]
    fn another_loss_and_no_optimum_at_all() {
        let logistic = cancelling(&W, [0.03; 4]);
        assert_eq!(diagnose(&W, NOTHING, logistic, 0).looks, Looks::OtherLoss(Link::Logistic));
        assert_eq!(diagnose(&W, NOTHING, NOTHING, 0).looks, Looks::Far);
        // the gradient points away from zero: no λ cancels it
        let d = diagnose(&W, cancelling(&W, [-0.01; 4]), NOTHING, 0);
        assert_eq!((d.looks.clone(), d.best_lambda), (Looks::Far, None));
        assert!(d.to_string().contains("No lambda fits it"), "{d}");
        let zero = diagnose(&[0.0; 8], NOTHING, NOTHING, 0);
        assert_eq!((zero.looks, zero.best_lambda), (Looks::Far, None));
    }
}
