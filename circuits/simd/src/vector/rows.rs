//! Programs over rows, one row per lane.
//!
//! Cells are loaded as `SHIFT·x·2^256`, and results in slots are `x·R` and below 2p: the same form, which products
//! preserve. The products of a sum are accumulated in columns and reduced once. The factors of a program's results
//! convert these back to `x·2^256`.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field as _;

use super::factors::splat;
use super::field::{unpack, unpack_shifted, Columns, Factor, Sum, PRODUCTS};
use super::lanes::{load, store};
use super::prime::SHIFT;
use super::{LANES, LIMBS};
use crate::program::{Combination, Operand, Program, Step};

/// Number of registers of rows that one step handles.
const WIDTH: usize = 4;

/// A combination with its factors in digits.
struct Prepared {
    /// Operands that are added (false) or subtracted (true) without a factor.
    plain: Vec<(bool, Operand)>,
    products: Vec<(Factor, Operand)>,
    constant: Sum,
}

impl Prepared {
    vector! {
        /// With factors times R, so that results have the operands' form.
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
        fn last(combination: &Combination) -> Prepared {
            let mut products = Vec::new();
            for (factor, operand) in &combination.terms {
                products.push((unpack(&load(&[*factor; LANES])).digits(), *operand));
            }
            Prepared { plain: vec![], products, constant: unpack(&load(&[combination.constant; LANES])) }
        }

        /// The combination in the `part`-th register of rows, below 2p, in digits.
        #[inline]
        fn run(&self, read: &Read<'_>, part: usize) -> Sum {
            let mut sum = self.constant;
            // each adds at most SHIFT·p to a value below 2p
            for four in self.plain.chunks(4) {
                for (negative, operand) in four {
                    let value = read.operand(*operand, part);
                    sum = if *negative { sum.sub(value).plus::<Fr, SHIFT>() } else { sum.add(value) };
                }
                sum = sum.reduce::<Fr>();
            }
            for products in self.products.chunks(PRODUCTS) {
                // factors are below p, operands below SHIFT·p = p·R/2^256: each product adds less than p/5
                let mut columns = Columns::of(sum);
                for (factor, operand) in products {
                    columns.add_product(factor, &read.operand(*operand, part).digits());
                }
                sum = columns.reduce::<Fr>().reduce::<Fr>();
            }
            sum
        }
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
    vector! {
        /// The operand in the `part`-th register of rows, in digits and below SHIFT·p.
        #[inline]
        fn operand(&self, operand: Operand, part: usize) -> Sum {
            match operand {
                Operand::Slot(slot) => self.slots[slot][part],
                Operand::Cell { column, offset } => {
                    let rows = &self.columns[column][offset + self.start + LANES * part..];
                    match rows.first_chunk::<LANES>() {
                        Some(rows) => unpack_shifted(&load(rows)),
                        None => short_column(column),
                    }
                }
            }
        }
    }
}

#[cold]
fn short_column(column: usize) -> ! {
    panic!("column {column} has too few rows")
}

vector! {
    /// The program's results on the rows from `start`, as many as `out` has room for.
    pub(super) fn run(program: &Program, columns: &[&[Fr]], start: usize, out: &mut [&mut [Fr]]) {
        let rows = out.first().map_or(0, |o| o.len());
        let whole = rows / (LANES * WIDTH) * (LANES * WIDTH);
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
        let mut slots = vec![[Sum::splat(&[0; LIMBS]); WIDTH]; program.slots];
        for at in (0..whole).step_by(LANES * WIDTH) {
            for (slot, step) in &steps {
                let mut result = [Sum::splat(&[0; LIMBS]); WIDTH];
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
                let registers = out[at..at + LANES * WIDTH].as_chunks_mut::<LANES>().0;
                for (part, elements) in registers.iter_mut().enumerate() {
                    store(elements, &result.run(&read, part).canonical::<Fr>().pack());
                }
            }
        }
        let mut rest: Vec<&mut [Fr]> = out.iter_mut().map(|o| &mut o[whole..]).collect();
        program.portable(columns, start + whole, &mut rest);
    }
}
