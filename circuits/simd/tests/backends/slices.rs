//! Arithmetic over slices and programs over rows, with every backend.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use tribute_simd::program::{Combination, Operand, Program, Step};
use tribute_simd::{add_scaled, batch_invert, evaluate, Backend};

use super::support::{edges, mixed, random};

/// Lengths around the sizes of registers and blocks.
const LENGTHS: [usize; 18] = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 127, 1000, 4096];

#[test]
fn scaled_values_are_added() {
    for n in LENGTHS {
        let (sums, values) = (mixed(n, 1), mixed(n, 2));
        for factor in edges::<Fr>().into_iter().chain(random(3, 3)) {
            let expected: Vec<Fr> = sums.iter().zip(&values).map(|(s, v)| factor * v + s).collect();
            for backend in Backend::all() {
                let mut out = sums.clone();
                add_scaled(backend, &mut out, factor, &values);
                assert!(out == expected, "{backend:?}, {n} values times {factor:?}");
            }
        }
    }
    let mut longer = mixed(20, 1);
    for backend in Backend::all() {
        add_scaled(backend, &mut longer, Fr::ONE, &mixed(9, 2));
        assert!(longer[9..] == mixed(20, 1)[9..], "{backend:?}: sums without a value are unchanged");
        assert!(std::panic::catch_unwind(|| add_scaled(backend, &mut mixed(8, 1), Fr::ONE, &mixed(9, 2))).is_err());
    }
}

/// Every pair of edges, and a million random products: `s + f·v` with s = 0 is a product.
#[test]
fn a_million_products_are_the_librarys() {
    let edges = edges::<Fr>();
    for (i, factor) in edges.iter().chain(&random(256, 4)).enumerate() {
        let values = if i < edges.len() { edges.clone() } else { random(4096, i as u64) };
        let expected: Vec<Fr> = values.iter().map(|v| factor * v).collect();
        for backend in Backend::all() {
            let mut out = vec![Fr::ZERO; values.len()];
            add_scaled(backend, &mut out, *factor, &values);
            assert!(out == expected, "{backend:?}, {factor:?}");
        }
    }
}

#[test]
fn polynomials_are_evaluated() {
    for n in LENGTHS {
        for coefficients in [mixed(n, 5), vec![-Fr::ONE; n]] {
            for x in edges::<Fr>().into_iter().chain(random(2, 6)) {
                let expected = coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
                for backend in Backend::all() {
                    assert_eq!(evaluate(backend, &coefficients, x), expected, "{backend:?}, {n} at {x:?}");
                }
            }
        }
    }
}

#[test]
fn inverses_are_the_librarys_and_zeros_stay() {
    for n in LENGTHS {
        for values in [mixed(n, 7), vec![Fr::ZERO; n], random(n, 8), vec![-Fr::ONE; n]] {
            let expected: Vec<Fr> = values.iter().map(|x| x.invert().unwrap_or(Fr::ZERO)).collect();
            for backend in Backend::all() {
                let mut out = values.clone();
                batch_invert(backend, &mut out);
                assert!(out == expected, "{backend:?}, {n} values");
            }
        }
    }
}

/// Products of products, sums of sums, with all kinds of factors, more terms than are accumulated between reductions,
/// and a reused slot.
fn program(factors: &[Fr]) -> Program {
    let cell = |column, offset| Operand::Cell { column, offset };
    let sum = |constant, terms: Vec<(Fr, Operand)>| Step::Sum(Combination { terms, constant });
    let many = |n: usize| (0..n).map(|i| (factors[i % factors.len()], cell(i % 3, i % 5))).collect::<Vec<_>>();
    let plain = |n: usize, factor: Fr| (0..n).map(|i| (factor, cell(i % 3, i % 4))).collect::<Vec<_>>();
    let steps = vec![
        (0, Step::Product(cell(0, 0), cell(1, 3))),
        (1, Step::Product(Operand::Slot(0), Operand::Slot(0))),
        (2, sum(factors[0], many(150))),
        (0, Step::Product(Operand::Slot(2), cell(2, 4))),
        (3, sum(Fr::ZERO, plain(40, -Fr::ONE))),
        (4, sum(-Fr::ONE, plain(41, Fr::ONE))),
        (5, sum(factors[1], vec![])),
        (6, Step::Product(Operand::Slot(3), Operand::Slot(4))),
    ];
    let slots = |factor: Fr| (0..7).map(|slot| (factor, Operand::Slot(slot))).collect::<Vec<_>>();
    let results = vec![
        Combination { terms: slots(Fr::ONE), constant: Fr::ZERO },
        Combination { terms: slots(-Fr::ONE), constant: factors[2] },
        Combination { terms: [slots(factors[3]), many(70)].concat(), constant: -Fr::ONE },
        Combination { terms: vec![], constant: factors[1] },
    ];
    Program::new(steps, results)
}

#[test]
fn programs_compute_alike_on_every_number_of_rows() {
    let edges = edges::<Fr>();
    for factors in [edges.clone(), random(20, 9), vec![-Fr::ONE; 4]] {
        let program = program(&factors);
        for rows in [1, 8, 31, 32, 33, 128, 1024, 1024 + 37, 5000] {
            let largest = *edges.last().unwrap();
            for columns in [
                [mixed(rows + 4, 1), mixed(rows + 4, 2), random(rows + 4, 3)],
                [(); 3].map(|()| vec![largest; rows + 4]),
            ] {
                let columns: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
                let expected = program.run(Backend::PORTABLE, &columns, rows);
                for backend in Backend::all() {
                    assert!(program.run(backend, &columns, rows) == expected, "{backend:?}, {rows} rows");
                }
            }
        }
    }
}

/// One row, compared with a hand computation.
#[test]
fn a_program_is_its_steps() {
    let cell = |column, offset| Operand::Cell { column, offset };
    let steps = vec![(0, Step::Product(cell(0, 1), cell(1, 0)))];
    let terms = vec![(Fr::from(5), Operand::Slot(0)), (-Fr::ONE, cell(0, 0))];
    let program = Program::new(steps, vec![Combination { terms, constant: Fr::from(7) }]);
    let (a, b) = (random(41, 1), random(40, 2));
    for backend in Backend::all() {
        let out = program.run(backend, &[&a, &b], 40);
        let expected: Vec<Fr> = (0..40).map(|i| Fr::from(5) * a[i + 1] * b[i] - a[i] + Fr::from(7)).collect();
        assert_eq!(out, [expected], "{backend:?}");
        for rows in [39, 41, 72] {
            let run = std::panic::catch_unwind(|| program.run(backend, &[&a, &b], rows));
            assert_eq!(run.is_ok(), rows <= 40, "{backend:?}, {rows} rows of columns for 40");
        }
    }
}

#[test]
fn a_step_that_writes_what_it_reads_is_refused() {
    let step = |to| (to, Step::Product(Operand::Slot(3), Operand::Slot(1)));
    assert!(std::panic::catch_unwind(|| Program::new(vec![step(2)], vec![])).is_ok());
    assert!(std::panic::catch_unwind(|| Program::new(vec![step(1)], vec![])).is_err());
}
