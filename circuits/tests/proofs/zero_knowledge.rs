//! What proofs open, and that the openings reveal nothing: evidence for docs/zero-knowledge.md, from keys and recorded
//! proofs.

use std::collections::HashMap;
use std::sync::Arc;

use halo2_proofs::arithmetic::{eval_polynomial, lagrange_interpolate};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2_proofs::poly::EvaluationDomain;
use tribute_circuits::circuit::constraint_system;
use tribute_circuits::columns::{
    commit_records, commit_rows, record_bodies, ColumnPlace, CommittedGroup, Role, Secret,
};
use tribute_circuits::prove::prove_unchecked;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::layout::{Layout, Task, FRESH_IDLE_ROWS, TAIL_ROWS};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;
use tribute_engine::halo2_proofs;
use tribute_engine::proof::Proof;
use tribute_engine::srs::Srs;

use crate::support::keyed::{keyed, srs};
use crate::support::transcript::{recorded, Recorded};
use crate::support::{instance, records};

fn shapes() -> Vec<Shape> {
    let layout = |k, task| Layout::new(k, 3, 7, if task == Task::Real { 1 } else { 3 }, task).unwrap();
    let mut shapes = vec![Shape::dataset(layout(10, Task::Classes)), Shape::dataset(layout(10, Task::Real))];
    shapes
        .extend([Link::Squared, Link::Logistic, Link::Softmax].map(|l| Shape::gradient(layout(14, Task::Classes), l)));
    shapes.push(Shape::optimum(layout(10, Task::Classes)));
    shapes.push(Shape::evaluation(layout(10, Task::Classes), Link::Squared));
    shapes.extend([Link::Logistic, Link::Softmax].map(|l| Shape::evaluation(layout(14, Task::Classes), l)));
    shapes.push(Shape::service(layout(15, Task::Classes)));
    for statement in Statement::ALL {
        assert!(shapes.iter().any(|shape| shape.statement == statement), "no shape of {}", statement.name());
    }
    shapes
}

#[test]
fn a_proof_opens_committed_columns_once_and_fresh_ones_less_often_than_they_are_blinded() {
    for shape in shapes() {
        let cs = constraint_system(&shape);
        let committed: usize = shape.groups().iter().sum();
        for column in 0..cs.num_advice_columns() {
            let rotations: Vec<i32> =
                cs.advice_queries().iter().filter(|(c, _)| c.index() == column).map(|(_, r)| r.0).collect();
            if column < committed {
                assert_eq!(rotations, [0], "{}: committed column {column}", shape.name());
            } else {
                // and one more random row for the commitment itself
                assert!((1..=3).contains(&rotations.len()), "{}: column {column}", shape.name());
                assert!(rotations.len() < TAIL_ROWS + FRESH_IDLE_ROWS, "{}: column {column}", shape.name());
            }
        }
        assert_eq!(cs.blinding_factors() + 1, TAIL_ROWS);
    }
}

/// The smallest possible shard: 1 feature, 2 classes, 64 salts.
fn layout() -> Layout {
    Layout::new(10, 1, 1, 2, Task::Classes).unwrap()
}

/// Two datasets that differ in one label.
fn candidates() -> [Records; 2] {
    let a = records(&layout(), 12, 1);
    let mut b = a.slice(0..11);
    b.push(a.features(11), (a.target(11) + 1) % 2);
    [a, b]
}

const LABEL: usize = 1;

/// The point at which a proof opened the label column, and its value there.
fn label_opening(recorded: &Recorded) -> (Fr, Fr) {
    (recorded.x, recorded.advice_values[query_of(&constraint_system(&Shape::dataset(layout())), LABEL)])
}

fn query_of(cs: &ConstraintSystem<Fr>, column: usize) -> usize {
    cs.advice_queries().iter().position(|(c, r)| (c.index(), r.0) == (column, 0)).unwrap()
}

/// Openings of the label column in `proofs` proofs of a shard.
fn openings(shard: &CommittedGroup, n: usize, proofs: usize) -> Vec<(Fr, Fr)> {
    let keyed = keyed(&Shape::dataset(layout()));
    let circuit = DatasetCircuit::new(Shape::dataset(layout()), shard);
    (0..proofs)
        .map(|i| {
            let inputs = vec![Fr::from(i as u64), Fr::from(n as u64)];
            let proof = prove_unchecked(keyed.srs, &keyed.keys, &circuit, inputs).unwrap();
            if i == 0 {
                assert!(keyed.native(&proof));
            }
            label_opening(&recorded(keyed.keys.vk(), &proof))
        })
        .collect()
}

/// What an opening says about the last `free` rows if the rows above are the candidate's: a value of the polynomial of
/// degree below `free` that, multiplied by `Π (X − ω^i)` over the rows above, is the column minus the candidate.
fn about_free_rows(candidate: &Records, free: usize, (x, value): (Fr, Fr)) -> (Fr, Fr) {
    let domain = EvaluationDomain::<Fr>::new(1, layout().k());
    let mut rows = record_bodies(&layout(), candidate).swap_remove(LABEL);
    rows.resize(layout().rows(), Fr::ZERO);
    let known = domain.lagrange_to_coeff(domain.lagrange_from_vec(rows)).into_values();
    let roots = std::iter::successors(Some(Fr::ONE), |w| Some(w * domain.get_omega()));
    let vanishing: Fr = roots.take(layout().rows() - free).map(|root| x - root).product();
    (x, (value - eval_polynomial(&known, x)) * vanishing.invert().unwrap())
}

/// Whether the openings, more than there are free rows, are consistent with a column that begins like the candidate.
fn can_be(candidate: &Records, free: usize, openings: &[(Fr, Fr)]) -> bool {
    let points: Vec<(Fr, Fr)> = openings.iter().map(|o| about_free_rows(candidate, free, *o)).collect();
    let (first, rest) = points.split_at(free);
    let (xs, ys): (Vec<Fr>, Vec<Fr>) = first.iter().copied().unzip();
    let polynomial = lagrange_interpolate(&xs, &ys);
    rest.iter().all(|(x, y)| eval_polynomial(&polynomial, *x) == *y)
}

/// The victim's shard with salts that are all 0: hidden by halo2's tail rows alone.
fn unsalted(records: &Records) -> CommittedGroup {
    let (l, srs) = (layout(), srs(layout().k()));
    let secret = Secret::from_bytes([1; 32]);
    let columns = record_bodies(&l, records).into_iter().enumerate().map(|(index, mut rows)| {
        rows.resize(l.usable(), Fr::ZERO);
        let place = ColumnPlace { role: Role::Records, content: [1; 32], index: index as u32 };
        Arc::new(commit_rows(srs, &l, &secret, &place, rows))
    });
    CommittedGroup { columns: columns.collect() }
}

/// A dictionary attack on recorded proofs: which of two candidate datasets was it? Without salts, one more proof than
/// there are tail rows is enough to tell.
#[test]
fn dictionary_attack_on_proofs_without_salts() {
    let [a, b] = candidates();
    let seen = openings(&unsalted(&b), b.len(), TAIL_ROWS + 1);
    assert_eq!([&a, &b].map(|candidate| can_be(candidate, TAIL_ROWS, &seen)), [false, true]);
    // the same attack on salted columns finds neither
    let shard = commit_records(srs(layout().k()), &layout(), &Secret::from_bytes([1; 32]), &b).unwrap();
    let seen = openings(&shard, b.len(), TAIL_ROWS + 1);
    assert_eq!([&a, &b].map(|candidate| can_be(candidate, TAIL_ROWS, &seen)), [false, false]);
}

/// Within the budget, every candidate is consistent with the commitment and the openings; one more opening than there
/// are free scalars tells them apart. So a counter has to be kept, and our limit is not too high.
#[test]
fn openings_beyond_the_budget_tell_two_datasets_apart() {
    let l = layout();
    let [a, b] = candidates();
    let shard = commit_records(srs(l.k()), &l, &Secret::from_bytes([1; 32]), &b).unwrap();
    let free = l.salt_rows() + TAIL_ROWS;
    let seen = openings(&shard, b.len(), free + 1);
    let mut points: Vec<Fr> = seen.iter().map(|(x, _)| *x).collect();
    points.sort();
    points.dedup();
    assert_eq!(points.len(), free + 1, "every proof opens at a different point");
    assert_eq!([&a, &b].map(|candidate| can_be(candidate, free, &seen)), [false, true], "beyond the budget");

    // within the budget: salts with which the *other* dataset has this commitment and these openings
    let budget = l.opening_budget() as usize;
    assert!(budget + 1 < free, "the openings and the commitment");
    let column = &shard.columns[LABEL];
    let secret = Srs::development_secret();
    let domain = EvaluationDomain::<Fr>::new(1, l.k());
    let coefficients =
        |values: &[Fr]| domain.lagrange_to_coeff(domain.lagrange_from_vec(values.to_vec())).into_values();
    let mut known: Vec<(Fr, Fr)> = seen[..budget].to_vec();
    known.push((secret, eval_polynomial(&coefficients(&column.values), secret)));
    let (mut xs, mut ys): (Vec<Fr>, Vec<Fr>) = known.iter().map(|o| about_free_rows(&a, free, *o)).unzip();
    while xs.len() < free {
        xs.push(-Fr::from(xs.len() as u64));
        ys.push(Fr::from(7));
    }
    let polynomial = lagrange_interpolate(&xs, &ys);
    let mut rows = record_bodies(&l, &a).swap_remove(LABEL);
    let roots: Vec<Fr> =
        std::iter::successors(Some(Fr::ONE), |w| Some(w * domain.get_omega())).take(l.rows()).collect();
    for row in rows.len()..l.rows() {
        let vanishing: Fr = roots[..l.salt_start()].iter().map(|root| roots[row] - root).product();
        rows.push(vanishing * eval_polynomial(&polynomial, roots[row]));
    }
    let point = halo2_proofs::arithmetic::best_multiexp(&rows, srs(l.k()).lagrange_basis()).to_affine();
    assert_eq!(point, column.point, "the same commitment");
    let other = coefficients(&rows);
    assert!(seen[..budget].iter().all(|(x, y)| eval_polynomial(&other, *x) == *y), "the same openings");
    assert!(seen[budget..].iter().all(|(x, y)| eval_polynomial(&other, *x) != *y));
}

#[test]
fn proofs_of_several_circuits_open_one_commitment_at_distinct_points() {
    let l = Layout::new(10, 3, 7, 3, Task::Classes).unwrap();
    let i = instance(l, Link::Squared, 12, 4);
    let mut seen: Vec<(Fr, Vec<Fr>)> = vec![];
    let mut note = |shape: &Shape, proof: &Proof| {
        let keyed = keyed(shape);
        let r = recorded(keyed.keys.vk(), proof);
        let values = (0..4).map(|c| r.advice_values[query_of(keyed.keys.vk().cs(), c)]).collect();
        // the commitments are the shard's, and the values those of its polynomials
        assert!(r.advice.iter().zip(&i.xy.columns).all(|(point, column)| *point == column.point));
        seen.push((r.x, values));
    };
    for n in 0..3 {
        let shape = Shape::dataset(l);
        let circuit = DatasetCircuit::new(shape.clone(), &i.xy);
        note(
            &shape,
            &prove_unchecked(keyed(&shape).srs, &keyed(&shape).keys, &circuit, vec![Fr::from(n), Fr::from(12)])
                .unwrap(),
        );
        let shape = Shape::gradient(l, Link::Squared);
        let circuit = GradientCircuit::new(shape.clone(), &i.xy, &i.w, &i.g).unwrap();
        let inputs = circuit.public_inputs(Fr::from(n));
        note(&shape, &prove_unchecked(keyed(&shape).srs, &keyed(&shape).keys, &circuit, inputs).unwrap());
    }
    let domain = EvaluationDomain::<Fr>::new(1, l.k());
    for (x, values) in &seen {
        assert_eq!(seen.iter().filter(|(y, _)| x == y).count(), 1, "opening points are distinct");
        for (value, column) in values.iter().zip(&i.xy.columns) {
            let polynomial = domain.lagrange_to_coeff(domain.lagrange_from_vec(column.values.clone())).into_values();
            assert_eq!(eval_polynomial(&polynomial, *x), *value);
        }
    }
}

/// Given the SRS's secret, SHPLONK's two points follow from the commitments and values before them. A simulator
/// computes them without any witness, so they reveal nothing more.
#[test]
fn the_opening_argument_adds_nothing() {
    let l = Layout::new(10, 3, 7, 3, Task::Classes).unwrap();
    let i = instance(l, Link::Squared, 12, 4);
    let shape = Shape::gradient(l, Link::Squared);
    let keyed = keyed(&shape);
    let circuit = GradientCircuit::new(shape, &i.xy, &i.w, &i.g).unwrap();
    let inputs = circuit.public_inputs(Fr::from(3));
    let proof = prove_unchecked(keyed.srs, &keyed.keys, &circuit, inputs.clone()).unwrap();
    let r = recorded(keyed.keys.vk(), &proof);
    let (h, q) = simulated_opening(keyed.keys.vk(), &r, &inputs, l.rows());
    assert_eq!((h, q), (r.h, r.q));
}

/// A commitment with the points at which it is opened and its values there.
struct Opened {
    point: G1,
    at: Vec<(Fr, Fr)>,
}

fn simulated_opening(
    vk: &halo2_proofs::plonk::VerifyingKey<G1Affine>,
    r: &Recorded,
    inputs: &[Fr],
    n: usize,
) -> (G1Affine, G1Affine) {
    let (cs, s) = (vk.cs(), Srs::development_secret());
    let at = |rotation: i32| vk.get_domain().rotate_omega(r.x, halo2_proofs::poly::Rotation(rotation));
    let mut opened: Vec<Opened> = vec![];
    let mut index: HashMap<(bool, usize), usize> = HashMap::new();
    let mut note = |fixed: bool, column: usize, rotation: i32, value: Fr| {
        let i = *index.entry((fixed, column)).or_insert_with(|| {
            let point = if fixed { vk.fixed_commitments()[column] } else { r.advice[column] };
            opened.push(Opened { point: point.into(), at: vec![] });
            opened.len() - 1
        });
        opened[i].at.push((at(rotation), value));
    };
    for ((column, rotation), value) in cs.advice_queries().iter().zip(&r.advice_values) {
        note(false, column.index(), rotation.0, *value);
    }
    for ((column, rotation), value) in cs.fixed_queries().iter().zip(&r.fixed_values) {
        note(true, column.index(), rotation.0, *value);
    }
    let x_n = r.x.pow_vartime([n as u64]);
    let pieces = r.quotient.iter().rev().fold(G1::default(), |sum, piece| sum * x_n + G1::from(*piece));
    let gates = gates_at_x(vk, r, inputs, n) * (x_n - Fr::ONE).invert().unwrap();
    opened.push(Opened { point: pieces, at: vec![(r.x, gates)] });
    opened.push(Opened { point: r.random.into(), at: vec![(r.x, r.random_value)] });

    // points in order of first use; sets of points in order of first use
    let mut points: Vec<Fr> = vec![];
    let rotations = cs.advice_queries().iter().map(|q| q.1).chain(cs.fixed_queries().iter().map(|q| q.1));
    for x in rotations.map(|rotation| at(rotation.0)).chain([r.x]) {
        if !points.contains(&x) {
            points.push(x);
        }
    }
    let place = |x: &Fr| points.iter().position(|p| p == x);
    let mut sets: Vec<(Vec<Fr>, Vec<Opened>)> = vec![];
    for mut o in opened {
        o.at.sort_by_key(|(x, _)| place(x));
        let xs: Vec<Fr> = o.at.iter().map(|(x, _)| *x).collect();
        match sets.iter_mut().find(|(known, _)| *known == xs) {
            Some((_, members)) => members.push(o),
            None => sets.push((xs, vec![o])),
        }
    }
    let vanishing = |xs: &mut dyn Iterator<Item = &Fr>, at: Fr| -> Fr { xs.map(|x| at - x).product() };
    let generator = G1::from(G1Affine::generator());
    // Σ_j y^j (C_j − [r_j(z)])
    let combined = |members: &[Opened], z: Fr| {
        members.iter().rev().fold(G1::default(), |sum, o| {
            let (xs, ys): (Vec<Fr>, Vec<Fr>) = o.at.iter().copied().unzip();
            sum * r.opening_y + o.point - generator * eval_polynomial(&lagrange_interpolate(&xs, &ys), z)
        })
    };
    let h = sets.iter().rev().fold(G1::default(), |sum, (xs, members)| {
        sum * r.opening_v + combined(members, s) * vanishing(&mut xs.iter(), s).invert().unwrap()
    });
    let outside = |xs: &[Fr]| vanishing(&mut points.iter().filter(|p| !xs.contains(p)), r.u);
    let linear = sets
        .iter()
        .rev()
        .fold(G1::default(), |sum, (xs, members)| sum * r.opening_v + combined(members, r.u) * outside(xs))
        - h * vanishing(&mut points.iter(), r.u);
    let q = linear * ((s - r.u) * outside(&sets[0].0)).invert().unwrap();
    (h.to_affine(), q.to_affine())
}

/// `Σ y^i gate_i(x)`, computed from the recorded values and the public inputs, whose polynomial the verifier evaluates
/// itself.
fn gates_at_x(vk: &halo2_proofs::plonk::VerifyingKey<G1Affine>, r: &Recorded, inputs: &[Fr], n: usize) -> Fr {
    let cs = vk.cs();
    let mut instance = inputs.to_vec();
    instance.resize(n, Fr::ZERO);
    let domain = EvaluationDomain::<Fr>::new(1, n.trailing_zeros());
    let instance = domain.lagrange_to_coeff(domain.lagrange_from_vec(instance)).into_values();
    let find = |column: usize, rotation: i32, fixed: bool| {
        if fixed {
            let at = cs.fixed_queries().iter().position(|(c, q)| (c.index(), q.0) == (column, rotation));
            r.fixed_values[at.unwrap()]
        } else {
            let at = cs.advice_queries().iter().position(|(c, q)| (c.index(), q.0) == (column, rotation));
            r.advice_values[at.unwrap()]
        }
    };
    let evaluate = |gate: &Expression<Fr>| {
        gate.evaluate(
            &|x| x,
            &|_| Fr::ZERO,
            &|q| find(q.column_index(), q.rotation().0, true),
            &|q| find(q.column_index(), q.rotation().0, false),
            &|q| eval_polynomial(&instance, vk.get_domain().rotate_omega(r.x, q.rotation())),
            &|c| r.challenges[c.index()],
            &|x| -x,
            &|x, y| x + y,
            &|x, y| x * y,
            &|x, k| x * k,
        )
    };
    cs.gates().iter().flat_map(|g| g.polynomials()).fold(Fr::ZERO, |sum, gate| sum * r.y + evaluate(gate))
}
