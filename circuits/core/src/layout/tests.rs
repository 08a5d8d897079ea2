use super::*;

#[test]
fn digits_at_k15_hold_what_the_design_says() {
    let l = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
    assert_eq!(l.record_rows(), 11);
    assert!(l.capacity() >= 2800, "{}", l.capacity());
    assert!(l.weights_end() <= l.salt_start());
}

/// With the fitting number of columns a record takes the fewest rows that its classes allow, and one column less would
/// take more: up to 32 columns.
#[test]
fn fitting_columns_leave_no_rows_idle() {
    for (d, c, columns) in
        [(1, 2, 1), (13, 3, 4), (64, 10, 6), (300, 2, 30), (384, 10, 32), (784, 100, 8), (1024, 1, 32)]
    {
        let task = if c == 1 { Task::Real } else { Task::Classes };
        assert_eq!(Layout::fitting_columns(d, c), columns);
        let rows = |columns| Layout::new(18, columns, d, c, task).unwrap().record_rows();
        assert_eq!(rows(columns), rows(64).max(d.div_ceil(32)), "{d} features, {c} classes");
        assert!(columns == 1 || rows(columns - 1) > rows(columns), "{d} features, {c} classes");
    }
}

/// The hash covers only the parameters from which the row map is derived. Anyone who changes the derivation, and so any
/// number here, must change the hash's tag: otherwise proofs under two row maps would share one layout hash.
#[test]
fn the_row_map_is_that_of_the_hashs_tag() {
    use Task::{Classes, Real};
    // k, A, d, c, task: record rows, capacity, weights' start and end, salts' start, gate rows, bits of a limb
    for ((k, columns, d, c, task), rows) in [
        ((10, 1, 1, 2, Classes), [3, 316, 948, 952, 954, 1002, 9]),
        ((11, 3, 16, 1, Real), [6, 326, 1956, 1973, 1978, 2026, 10]),
        ((12, 5, 1, 100, Classes), [101, 37, 3737, 3937, 4026, 4074, 11]),
        ((13, 24, 1024, 2, Classes), [43, 118, 5074, 7124, 7162, 8170, 12]),
        ((14, 8, 16, 2, Classes), [3, 5106, 15318, 15352, 15354, 16362, 13]),
        ((15, 8, 64, 10, Classes), [11, 2826, 31086, 31736, 31738, 32746, 14]),
        ((17, 64, 784, 10, Classes), [13, 9399, 122187, 130037, 130042, 131050, 14]),
        ((22, 8, 1024, 100, Classes), [128, 31959, 4090752, 4193252, 4193274, 4194282, 14]),
    ] {
        let l = Layout::new(k, columns, d, c, task).unwrap();
        let map = [
            l.record_rows(),
            l.capacity(),
            l.weights_start(),
            l.weights_end(),
            l.salt_start(),
            l.gate_rows(),
            l.limb_bits() as usize,
        ];
        assert_eq!(map, rows, "k = {k}, A = {columns}, d = {d}, c = {c}");
        assert_eq!((l.rows(), l.usable(), l.salt_rows()), (1 << k, (1 << k) - 6, if k < 13 { 64 } else { 1024 }));
    }
    let hash = Layout::new(15, 8, 64, 10, Classes).unwrap().hash();
    assert_eq!(
        *hash.as_bytes(),
        keccak(b"tribute.layout.v1\0\0\0\x0f\0\0\0\x08\0\0\0\x40\0\0\0\x0a\0\0\0\0\0\0\x04\0\0\0\0\0")
    );
}

/// The unit of contributions for every limb width.
#[test]
fn contributions_lose_whole_limbs() {
    let units = [10, 11, 12, 13, 14, 15, 22].map(|k| {
        let l = Layout::new(k, 8, 16, 2, Task::Classes).unwrap();
        assert!(l.remainder_limbs() <= 16 && l.contribution_bits() >= CONTRIBUTION_BITS);
        assert!(l.contribution_bits() < CONTRIBUTION_BITS + l.limb_bits());
        (l.contribution_bits(), l.remainder_limbs())
    });
    assert_eq!(units, [(50, 13), (47, 12), (46, 11), (47, 10), (50, 9), (45, 9), (45, 9)]);
}

#[test]
fn weights_can_be_opened_ten_thousand_times() {
    let l = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
    assert_eq!((l.opening_budget(), l.weights_opening_budget()), (1023, 32_109));
    let l = Layout::new(22, 8, 64, 10, Task::Classes).unwrap();
    assert_eq!(l.weights_opening_budget(), (1 << 15) + 1023);
}

#[test]
fn intercept_scales_are_of_the_layout() {
    let l = Layout::new(17, 8, 64, 10, Task::Classes).unwrap();
    let scaled = l.with_intercept_scale(3).unwrap();
    assert_eq!((l.bias_feature(), scaled.bias_feature()), (256, 2048));
    assert_ne!(l.hash(), scaled.hash());
    let refused = l.with_intercept_scale(5).unwrap_err().to_string();
    assert!(refused.contains("scale 5") && refused.contains("at most 4"), "{refused}");
    let wide = |d| Layout::new(17, 8, d, 2, Task::Classes).unwrap();
    assert!(wide(1011).with_intercept_scale(4).is_ok() && wide(1024).with_intercept_scale(2).is_ok());
    assert!(wide(1012).with_intercept_scale(4).unwrap_err().to_string().contains("1011 features"));
}

#[test]
fn sixty_features_are_not_sixty_four() {
    let a = Layout::new(15, 8, 60, 10, Task::Classes).unwrap();
    let b = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
    assert_ne!(a.hash(), b.hash());
}

#[test]
fn a_head_that_does_not_fit_says_so() {
    let e = Layout::new(15, 8, 1024, 100, Task::Classes).unwrap_err();
    assert!(matches!(e, LayoutError::TooSmall { needed, usable, .. } if needed > usable));
}

#[test]
fn limits_are_refused_with_their_numbers() {
    let new = |k, columns, d, c, task| Layout::new(k, columns, d, c, task);
    let (classes, real) = (Task::Classes, Task::Real);
    for (d, c) in [(1, 2), (1, 100), (1024, 2), (1024, 100)] {
        assert!(new(17, 8, d, c, classes).is_ok(), "{d} {c}");
    }
    for (refused, numbers) in [
        (new(17, 8, 0, 2, classes), ["0 features", "1 to 1024"]),
        (new(17, 8, 1025, 2, classes), ["1025 features", "1 to 1024"]),
        (new(17, 8, 1, 0, classes), ["0 classes", "2 to 100"]),
        (new(17, 8, 1, 1, classes), ["1 classes", "2 to 100"]),
        (new(17, 8, 1, 101, classes), ["101 classes", "2 to 100"]),
        (new(17, 8, 1, 2, real), ["2 classes", "regression exactly 1"]),
        (new(9, 8, 1, 2, classes), ["k = 9", "10..=22"]),
        (new(23, 8, 1, 2, classes), ["k = 23", "10..=22"]),
        (new(17, 0, 1, 2, classes), ["0 data columns", "1 to 64"]),
        (new(17, 65, 1, 2, classes), ["65 data columns", "1 to 64"]),
        (new(16, 8, 1024, 100, classes), ["65530 usable rows", "need 103652"]),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(numbers.iter().all(|n| refused.contains(n)), "{refused}: {numbers:?}");
    }
}

#[test]
fn serde_refuses_an_impossible_layout() {
    let bad = r#"{"k":15,"columns":8,"features":0,"classes":10,"task":"classes","intercept_scale":0}"#;
    assert!(serde_json::from_str::<Layout>(bad).is_err());
}
