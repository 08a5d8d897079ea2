//! Programs over rows, eight rows at a time.
//!
//! Cells are loaded as `16·x·2^256`, and results in slots are `x·2^260` and below 2p: the same form, which products
//! preserve. The products of a sum are accumulated in columns and reduced once. The factors of a program's results
//! convert these back to `x·2^256`.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field as _;

use super::field::{unpack, unpack_shifted, Columns, Factor, Sum};
use super::lanes::{load, splat, store};
use crate::program::{Combination, Operand, Program, Step};

/// Number of registers of rows that one step handles.
const WIDTH: usize = 4;
/// Products between two reductions: with factors below p and operands below 16p, they sum to less than 13p.
const PRODUCTS: usize = 64;

/// A combination with its factors in digits.
struct Prepared {
    /// Operands that are added (false) or subtracted (true) without a factor.
    plain: Vec<(bool, Operand)>,
    products: Vec<(Factor, Operand)>,
    constant: Sum,
}

impl Prepared {
    /// With factors times `2^260`, so that results have the operands' form.
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    fn new(combination: &Combination) -> Prepared {
        let (mut plain, mut products) = (Vec::new(), Vec::new());
        for (factor, operand) in &combination.terms {
            if *factor == Fr::ONE || *factor == -Fr::ONE {
                plain.push((*factor != Fr::ONE, *operand));
            } else {
                products.push((splat(*factor), *operand));
            }
        }
        Prepared { plain, products, constant: splat(combination.constant).exact() }
    }

    /// With factors times `2^256`, so that results have the library's form.
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    fn last(combination: &Combination) -> Prepared {
        let mut products = Vec::new();
        for (factor, operand) in &combination.terms {
            products.push((unpack(&load(&[*factor; 8])).digits(), *operand));
        }
        Prepared { plain: vec![], products, constant: unpack(&load(&[combination.constant; 8])) }
    }

    /// The combination on the `part`-th eight rows, below 84p.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    fn run(&self, read: &Read<'_>, part: usize) -> Sum {
        let mut sum = self.constant;
        // each adds at most 16p to a value below 2p
        for four in self.plain.chunks(4) {
            for (negative, operand) in four {
                let value = read.operand(*operand, part);
                sum = if *negative { sum.sub(value).plus::<Fr, 16>() } else { sum.add(value) };
            }
            sum = sum.reduce::<Fr>();
        }
        for products in self.products.chunks(PRODUCTS) {
            let mut columns = Columns::of(sum);
            for (factor, operand) in products {
                columns.add_product(factor, &read.operand(*operand, part).digits());
            }
            sum = columns.reduce::<Fr>().reduce::<Fr>();
        }
        sum
    }
}

enum PreparedStep {
    Product(Operand, Operand),
    Sum(Box<Prepared>),
}

/// Where to read operands.
struct Read<'a> {
    columns: &'a [&'a [Fr]],
    /// The first row.
    start: usize,
    slots: &'a [[Sum; WIDTH]],
}

impl Read<'_> {
    /// The operand on the `part`-th eight rows, in digits and below 16p.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    fn operand(&self, operand: Operand, part: usize) -> Sum {
        match operand {
            Operand::Slot(slot) => self.slots[slot][part],
            Operand::Cell { column, offset } => {
                let rows = &self.columns[column][offset + self.start + 8 * part..];
                match rows.first_chunk::<8>() {
                    Some(rows) => unpack_shifted(&load(rows)),
                    None => short_column(column),
                }
            }
        }
    }
}

#[cold]
fn short_column(column: usize) -> ! {
    panic!("column {column} has too few rows")
}

/// The program's results on the rows from `start`, as many as `out` has room for.
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
pub(super) fn run(program: &Program, columns: &[&[Fr]], start: usize, out: &mut [&mut [Fr]]) {
    let rows = out.first().map_or(0, |o| o.len());
    let whole = rows / (8 * WIDTH) * (8 * WIDTH);
    let mut steps = Vec::with_capacity(program.steps.len());
    for (slot, step) in &program.steps {
        let step = match step {
            Step::Product(a, b) => PreparedStep::Product(*a, *b),
            Step::Sum(sum) => PreparedStep::Sum(Box::new(Prepared::new(sum))),
        };
        steps.push((*slot, step));
    }
    let mut results = Vec::with_capacity(program.results.len());
    for result in &program.results {
        results.push(Prepared::last(result));
    }
    let mut slots = vec![[Sum::splat(&[0; 5]); WIDTH]; program.slots];
    for at in (0..whole).step_by(8 * WIDTH) {
        for (slot, step) in &steps {
            let mut result = [Sum::splat(&[0; 5]); WIDTH];
            let read = Read { columns, start: start + at, slots: &slots };
            for (part, result) in result.iter_mut().enumerate() {
                *result = match step {
                    PreparedStep::Product(a, b) => {
                        let (a, b) = (read.operand(*a, part), read.operand(*b, part));
                        a.digits().times::<Fr>(&b.digits()).reduce::<Fr>()
                    }
                    PreparedStep::Sum(sum) => sum.run(&read, part),
                };
            }
            slots[*slot] = result;
        }
        let read = Read { columns, start: start + at, slots: &slots };
        for (result, out) in results.iter().zip(out.iter_mut()) {
            let eights = out[at..at + 8 * WIDTH].as_chunks_mut::<8>().0;
            for (part, eight) in eights.iter_mut().enumerate() {
                store(eight, &result.run(&read, part).canonical::<Fr>().pack());
            }
        }
    }
    let mut rest: Vec<&mut [Fr]> = out.iter_mut().map(|o| &mut o[whole..]).collect();
    program.portable(columns, start + whole, &mut rest);
}
