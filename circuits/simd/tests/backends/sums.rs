//! Sums of points, with every backend.

use halo2curves::bn256::{Fr, G1Affine, G1};
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use tribute_simd::{group_sums, with_images, Backend, Points, Term};

use super::support::{beta, points, sum};

/// Compares sums of all terms in groups, by every backend, with one-by-one addition.
fn check(what: &str, bases: &[G1Affine], terms: &[(usize, bool)], counts: &[u32]) {
    let all: Points = bases.iter().copied().collect();
    let coded: Vec<Term> = terms.iter().map(|(i, negative)| Term::new(*i, *negative)).collect();
    let mut start = 0;
    let expected: Vec<G1Affine> = counts
        .iter()
        .map(|count| {
            let group = &terms[start..start + *count as usize];
            start += *count as usize;
            sum(group.iter().map(|(i, negative)| if *negative { -bases[*i] } else { bases[*i] }))
        })
        .collect();
    for backend in Backend::all() {
        let sums = group_sums(backend, &all, &coded, counts);
        assert_eq!(sums.len(), counts.len());
        assert!(sums.iter().eq(&expected), "{what}, {backend:?}");
    }
}

/// Terms over all bases in some order, about half of them negative.
fn scattered(n: usize) -> Vec<(usize, bool)> {
    (0..n).map(|i| (i * 7919 % n, i.count_ones() % 2 == 1)).collect()
}

#[test]
fn groups_of_every_length() {
    let bases = points(5003, 1);
    check("none", &bases[..1], &[], &[]);
    check("no terms", &bases[..1], &[], &[0, 0]);
    for n in [1, 2, 7, 8, 9, 17, 100, 5003] {
        check("one group", &bases[..n], &scattered(n), &[n as u32]);
        check("groups of one", &bases[..n], &scattered(n), &vec![1; n]);
    }
    // lengths 0, 1, 2, … and a long one that is split into lists
    let mut counts: Vec<u32> = (0..60).collect();
    counts.push(5003 - counts.iter().sum::<u32>());
    check("growing groups", &bases, &scattered(5003), &counts);
    counts.reverse();
    check("shrinking groups", &bases, &scattered(5003), &counts);
}

/// Several batches of lists, and lists so long that their sums are summed again.
#[test]
fn groups_of_many_terms() {
    let bases = points(40_000, 2);
    let terms = scattered(40_000);
    check("many groups", &bases, &terms, &vec![4; 10_000]);
    check("long groups", &bases, &terms, &[20_000, 0, 19_000, 1_000]);
}

#[test]
fn points_that_meet_themselves_their_opposites_and_infinity() {
    let many = points(10_000, 3);
    let (p, q) = (many[0], many[1]);
    let double = (G1::from(p) + p).to_affine();
    let infinity = G1Affine::identity();
    let terms = |signs: &[bool]| signs.iter().enumerate().map(|(i, s)| (i, *s)).collect::<Vec<_>>();
    check("twice", &[p, p], &terms(&[false; 2]), &[2]);
    check("one term twice", &[p], &[(0, true), (0, true)], &[2]);
    check("opposite", &[p, p], &terms(&[false, true]), &[2]);
    check("opposite by itself", &[p, -p, q], &terms(&[false; 3]), &[3]);
    check("the sum meets a term", &[p, q, (G1::from(p) + q).to_affine()], &terms(&[false; 3]), &[3]);
    check("the sum cancels and goes on", &[p, p, double], &terms(&[false, false, true]), &[3]);
    check("infinity", &[infinity], &terms(&[true]), &[1]);
    check("infinity among others", &[p, infinity, q, infinity], &terms(&[false; 4]), &[4]);
    check("only infinity", &[infinity; 20], &terms(&[false; 20]), &[12, 8]);
    check("two of one, far apart", &many[..3000], &[scattered(3000), vec![(0, false); 40]].concat(), &[3000, 40]);
    // one pair of equal or opposite points, in a batch that is neither the first nor the last: five batches with AVX2,
    // three with AVX-512
    let mut bases = many;
    bases[6001] = bases[6000];
    let terms: Vec<(usize, bool)> = (0..10_000).map(|i| (i, false)).collect();
    check("one pair of equals", &bases, &terms, &vec![2; 5000]);
    bases[6001] = -bases[6000];
    check("one pair of opposites", &bases, &terms, &vec![2; 5000]);
    bases[17] = infinity;
    check("infinity too", &bases, &terms, &vec![2; 5000]);
}

#[test]
fn images_are_multiples_of_their_points() {
    let mut bases = points(37, 4);
    (bases[11], bases[34]) = (G1Affine::identity(), G1Affine::identity());
    for n in [0, 1, 8, 16, 35, 37] {
        let expected: Vec<G1Affine> =
            bases[..n].iter().flat_map(|p| [*p, G1Affine { x: p.x * beta(), y: p.y }]).collect();
        for backend in Backend::all() {
            let all = with_images(backend, &bases[..n], beta());
            assert!(all.iter().eq(&expected), "{backend:?}, {n} points");
            assert_eq!((all.len(), all.is_empty()), (2 * n, n == 0));
            // sums of all of them, including the point at infinity
            let terms: Vec<Term> = (0..2 * n).map(|i| Term::new(i, false)).collect();
            let sums = group_sums(backend, &all, &terms, &[2 * n as u32]);
            assert!(sums.iter().eq([&sum(expected.iter().copied())]), "{backend:?}, {n} points");
        }
    }
    let image = G1Affine { x: bases[0].x * beta(), y: bases[0].y };
    let lambda = {
        use halo2curves::ff::WithSmallOrderMulGroup;
        Fr::ZETA.square()
    };
    assert_eq!(image, (G1::from(bases[0]) * lambda).to_affine());
    assert_eq!(sum(std::iter::empty()), G1::identity().to_affine());
}

#[test]
fn counts_of_other_than_all_terms_are_refused() {
    let bases: Points = points(4, 5).into_iter().collect();
    let terms: Vec<Term> = (0..4).map(|i| Term::new(i, false)).collect();
    for backend in Backend::all() {
        for (counts, terms, holds) in
            [(vec![4], &terms[..], true), (vec![2, 1], &terms[..], false), (vec![5], &terms[..], false)]
        {
            let run = std::panic::catch_unwind(|| group_sums(backend, &bases, terms, &counts));
            assert_eq!(run.is_ok(), holds, "{backend:?}, {counts:?}");
        }
        let beyond = [Term::new(4, false), Term::new(0, false)];
        assert!(std::panic::catch_unwind(|| group_sums(backend, &bases, &beyond, &[2])).is_err(), "{backend:?}");
    }
}
