//! Sums as fixed-point integers, in the form in which they are masked and added.
//!
//! Loss, gradient and products are integers modulo 2^128, second derivatives modulo 2^64. Each modulus exceeds twice the largest sum that
//! the request's records can have, so that a sum is read without ambiguity, and what no honest sum can be is an error.

use tribute_core::link::Link;
use tribute_inference::train::{Curvature, Part};

use crate::query::{unit, Asks};
use crate::refusal::Refusal;
use crate::request::Request;

/// Fractional bits of the loss.
const LOSS_BITS: u32 = 50;
/// Fractional bits of gradients, and of products of second derivatives with a direction.
const GRADIENT_BITS: u32 = 60;

/// Sums over records, as a query asks for them.
#[derive(Clone, Debug, PartialEq)]
pub enum Sums {
    /// At a point.
    Point(Part),
    /// The product of the second derivatives with a direction, row-major `[d + 1][c]`.
    Product(Vec<f64>),
}

/// Masked or plain integers of one answer, or of a sum of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The loss, then the gradient; or a product.
    pub wide: Vec<u128>,
    /// Second derivatives.
    pub narrow: Vec<u64>,
}

/// How many numbers an answer has, and their scales and ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Whether a loss comes first.
    point: bool,
    cells: usize,
    curvature: usize,
    curvature_bits: u32,
    /// Bounds for one record.
    loss: f64,
    gradient: f64,
    second: f64,
}

impl Format {
    /// The format of a request's answers to such queries.
    pub fn of(request: &Request, asks: &Asks) -> Result<Self, Refusal> {
        let schema = request.schema()?;
        let (features, classes) = (schema.features().len(), schema.classes());
        let bias = f64::from(1u32 << request.intercept_scale);
        // weights of a query are below 64 in magnitude, features at most 1
        let widest = features as f64 + bias;
        let logit = 64.0 * widest;
        let (loss, residual) = match request.link {
            Link::Squared => (classes as f64 * 0.5 * (logit + 1.0) * (logit + 1.0), logit + 1.0),
            Link::Logistic => (classes as f64 * (2.0 * logit + 1.0), 1.0),
            Link::Softmax => (2.0 * logit + 8.0, 1.0),
        };
        let (point, curvature, residual) = match asks {
            Asks::Point(curvature) => (true, *curvature, residual),
            // a direction's entries are at most 1; p·(z − mean of z) is at most half of the largest |z|
            Asks::Product(_) => (false, None, if request.link == Link::Squared { widest } else { 0.5 * widest }),
        };
        let second = if curvature == Some(Curvature::Shared) { 1.0 } else { 0.25 };
        let record_bits = u64::BITS - request.records().leading_zeros();
        let format = Format {
            point,
            cells: (features + 1) * classes,
            curvature: curvature.map_or(0, |c| c.numbers(features + 1, classes)),
            curvature_bits: 62 - record_bits - 2 * request.intercept_scale,
            loss,
            gradient: residual * bias,
            second: second * bias * bias,
        };
        let most = (request.records() as f64) * unit(LOSS_BITS) * loss;
        let gradient = (request.records() as f64) * unit(GRADIENT_BITS) * format.gradient;
        if most.max(gradient) >= unit(126) {
            return Err(Refusal::request("schema", "its sums do not fit 128 bits"));
        }
        Ok(format)
    }

    /// Integers of one participant's sums over `records` records.
    ///
    /// # Errors
    /// [`Refusal::Own`]: a sum that the records cannot have, such as NaN.
    pub fn encode(&self, round: u32, records: u64, sums: &Sums) -> Result<Numbers, Refusal> {
        if let Some((what, value)) = self.impossible(records, sums)? {
            return Err(Refusal::Own { round, what, value, records });
        }
        let wide = |x: f64, bits: u32| ((x * unit(bits)).round_ties_even() as i128) as u128;
        let narrow = |x: &f64| ((x * unit(self.curvature_bits)).round_ties_even() as i64) as u64;
        let all = |gradient: &[f64]| gradient.iter().map(|g| wide(*g, GRADIENT_BITS)).collect::<Vec<_>>();
        Ok(match sums {
            Sums::Point(part) => Numbers {
                wide: [vec![wide(part.loss, LOSS_BITS)], all(&part.gradient)].concat(),
                narrow: part.curvature.iter().map(narrow).collect(),
            },
            Sums::Product(product) => Numbers { wide: all(product), narrow: Vec::new() },
        })
    }

    /// The real sums over all `records` records.
    ///
    /// # Errors
    /// [`Refusal::Impossible`].
    pub fn decode(&self, round: u32, records: u64, numbers: &Numbers) -> Result<Sums, Refusal> {
        let wide = |x: &u128, bits: u32| (*x as i128) as f64 / unit(bits);
        let narrow = |x: &u64| (*x as i64) as f64 / unit(self.curvature_bits);
        let all = |gradient: &[u128]| gradient.iter().map(|g| wide(g, GRADIENT_BITS)).collect();
        let sums = if self.point {
            let (loss, gradient) =
                numbers.wide.split_first().ok_or_else(|| Refusal::internal("an answer without a loss"))?;
            Sums::Point(Part {
                loss: wide(loss, LOSS_BITS),
                gradient: all(gradient),
                curvature: numbers.narrow.iter().map(narrow).collect(),
            })
        } else {
            Sums::Product(all(&numbers.wide))
        };
        match self.impossible(records, &sums)? {
            None => Ok(sums),
            Some((what, value)) => Err(Refusal::Impossible { round, what, value, records }),
        }
    }

    /// Number of bytes of an answer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        16 * self.wide() + 8 * self.curvature
    }

    /// Integers from their bytes; `None` if their number is wrong.
    #[must_use]
    pub fn read(&self, bytes: &[u8]) -> Option<Numbers> {
        if bytes.len() != self.bytes() {
            return None;
        }
        let (wide, narrow) = bytes.split_at(16 * self.wide());
        Some(Numbers {
            wide: wide.as_chunks::<16>().0.iter().map(|b| u128::from_le_bytes(*b)).collect(),
            narrow: narrow.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect(),
        })
    }

    /// Number of wide integers.
    fn wide(&self) -> usize {
        usize::from(self.point) + self.cells
    }

    /// A sum that no such number of records has, NaN included. Rounding, and sums in `f64`, are allowed one part in 2^20 and 2^-20.
    fn impossible(&self, records: u64, sums: &Sums) -> Result<Option<(&'static str, f64)>, Refusal> {
        let n = records as f64;
        let slack = 1.0 + 1.0 / f64::from(1 << 20);
        let least = -1.0 / f64::from(1 << 20);
        let within = |x: f64, low: f64, high: f64| x >= low && x <= high * slack + 1.0 / f64::from(1 << 20);
        let (gradient, curvature, what) = match sums {
            Sums::Point(part) => (&part.gradient, part.curvature.as_slice(), "a gradient"),
            Sums::Product(product) => (product, &[][..], "a product with the second derivatives"),
        };
        let kind = matches!(sums, Sums::Point(_));
        if (kind, gradient.len(), curvature.len()) != (self.point, self.cells, self.curvature) {
            return Err(Refusal::internal("sums of another shape than the query's"));
        }
        if let Sums::Point(part) = sums {
            if !within(part.loss, least, n * self.loss) {
                return Ok(Some(("a loss", part.loss)));
            }
        }
        if let Some(g) = gradient.iter().find(|g| !within(g.abs(), 0.0, n * self.gradient)) {
            return Ok(Some((what, *g)));
        }
        // products of features, which are not negative, and of probabilities
        if let Some(h) = curvature.iter().find(|h| !within(**h, least, n * self.second)) {
            return Ok(Some(("a second derivative", *h)));
        }
        Ok(None)
    }
}

impl Numbers {
    /// All zero, in a format.
    #[must_use]
    pub fn zero(format: &Format) -> Self {
        Numbers { wide: vec![0; format.wide()], narrow: vec![0; format.curvature] }
    }

    /// Adds another answer.
    pub fn add(&mut self, other: &Numbers) {
        self.wide.iter_mut().zip(&other.wide).for_each(|(a, b)| *a = a.wrapping_add(*b));
        self.narrow.iter_mut().zip(&other.narrow).for_each(|(a, b)| *a = a.wrapping_add(*b));
    }

    /// Their bytes, little-endian: the wide ones, then the narrow ones.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wide = self.wide.iter().flat_map(|x| x.to_le_bytes());
        wide.chain(self.narrow.iter().flat_map(|x| x.to_le_bytes())).collect()
    }
}
