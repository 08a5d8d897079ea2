//! Our own verifier against halo2's and snark-verifier's, on circuits of several shapes.

use crate::common::{Keys, Shape, Toy};
use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr},
    ff::PrimeField,
};
use std::collections::HashSet;
use tribute_evm::{calldata, compile, deploy, direct, reference, run, run_deferred};

fn shapes() -> Vec<(&'static str, Shape)> {
    let plain = Shape { k: 6, data: 3, inputs: 1, ..Shape::default() };
    let sums = Shape { k: 6, data: 5, sums: 3, fixed: 3, inputs: 2, ..Shape::default() };
    vec![
        ("one phase", plain.clone()),
        ("no inputs", Shape { inputs: 0, ..plain.clone() }),
        ("column that no gate queries", Shape { idle: 1, ..plain.clone() }),
        ("high degree", Shape { data: 5, ..plain.clone() }),
        ("input read", Shape { instance: vec![0], inputs: 6, ..plain.clone() }),
        ("inputs read at rotations", Shape { data: 5, instance: vec![0, 1, -3, 5], inputs: 9, ..plain.clone() }),
        ("input read past the end", Shape { instance: vec![-6], inputs: 3, ..plain.clone() }),
        ("permutation", Shape { copied: 2, inputs: 2, ..plain.clone() }),
        ("long permutation", Shape { data: 9, copied: 8, inputs: 2, ..plain.clone() }),
        ("permutation and input", Shape { copied: 3, data: 5, instance: vec![-1], inputs: 5, ..plain.clone() }),
        ("two phases", sums.clone()),
        ("two phases and inputs", Shape { instance: vec![0, -2], inputs: 12, ..sums.clone() }),
        ("many inputs", Shape { k: 7, instance: vec![0], inputs: 49, ..plain.clone() }),
        (
            "everything",
            Shape { k: 7, data: 8, idle: 2, sums: 5, fixed: 4, copied: 6, instance: vec![0, 2], inputs: 7, late: 0 },
        ),
    ]
}

/// The word at `place` plus `added`, as a big-endian number.
fn add_to_word(data: &mut [u8], place: usize, added: &[u8; 32]) {
    let mut carry = 0;
    for (byte, added) in data[32 * place..32 * place + 32].iter_mut().zip(added).rev() {
        let sum = u16::from(*byte) + u16::from(*added) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}

fn modulus<F: PrimeField<Repr = [u8; 32]>>() -> [u8; 32] {
    let mut word = (-F::ONE).to_repr();
    word.reverse();
    word[31] += 1;
    word
}

#[test]
fn agrees_with_halo2_on_every_word() {
    std::thread::scope(|scope| {
        for (name, shape) in shapes() {
            scope.spawn(move || agrees_on_every_word(name, &shape));
        }
    });
}

fn agrees_on_every_word(name: &str, shape: &Shape) {
    let mut one = [0; 32];
    one[31] = 1;
    let keys = Keys::new(shape);
    let code = direct::generate(&keys.params, keys.pk.get_vk(), shape.inputs).unwrap();
    let again = direct::generate(&keys.params, keys.pk.get_vk(), shape.inputs).unwrap();
    assert_eq!(code, again, "{name}: whoever holds the key gets the same code");
    assert_eq!(deploy(&code.creation).unwrap(), code.runtime, "{name}");
    let toy = Toy::new(shape, 1);
    let proof = keys.prove(&toy);
    assert!(keys.accepts(&toy.inputs, &proof), "{name}: the toy's proof does not hold");
    let good = calldata(&toy.inputs, &proof);
    let report = run(&code.runtime, &good).unwrap();
    assert!(report.success, "{name}: refused a good proof after {} gas", report.execution_gas);
    assert_eq!(report.output, [0u8; 0], "{name}");
    println!("{name}: {} bytes, {} gas", code.runtime.len(), report.execution_gas);

    for place in 0..good.len() / 32 {
        for added in [one, modulus::<Fr>(), modulus::<Fq>()] {
            let mut bad = good.clone();
            add_to_word(&mut bad, place, &added);
            let refused = run(&code.runtime, &bad).unwrap();
            assert!(!refused.success, "{name}: accepted word {place} altered");
            assert!(refused.execution_gas < 3 * report.execution_gas, "{name}: word {place} burns gas");
            assert!(!run_deferred(&code.runtime, &bad).unwrap(), "{name}: word {place} altered and deferred");
        }
        let mut bad = good.clone();
        add_to_word(&mut bad, place, &one);
        let (inputs, proof) = bad.split_at(32 * shape.inputs);
        let inputs = inputs.chunks(32).map(|word| {
            let mut repr: [u8; 32] = word.try_into().unwrap();
            repr.reverse();
            Fr::from_repr(repr).unwrap()
        });
        assert!(!keys.accepts(&inputs.collect::<Vec<_>>(), proof), "{name}: halo2 accepts word {place}");
    }
}

#[test]
fn refuses_other_lengths_and_infinity() {
    for (name, shape) in shapes() {
        let keys = Keys::new(&shape);
        let code = direct::generate(&keys.params, keys.pk.get_vk(), shape.inputs).unwrap();
        let toy = Toy::new(&shape, 2);
        let good = calldata(&toy.inputs, &keys.prove(&toy));
        let refused = |data: &[u8]| !run(&code.runtime, data).unwrap().success;
        assert!(!refused(&good), "{name}");
        assert!(refused(&[]), "{name}: empty");
        assert!(refused(&good[..good.len() - 1]), "{name}: a byte short");
        assert!(refused(&good[..good.len() - 32]), "{name}: a word short");
        assert!(refused(&[&good[..], &[0]].concat()), "{name}: a byte long");
        assert!(refused(&[&good[..], &[0; 32]].concat()), "{name}: a word long");
        let mut infinity = good.clone();
        infinity[32 * shape.inputs..][..64].fill(0);
        assert!(refused(&infinity), "{name}: infinity");
        let mut infinity = good.clone();
        let end = infinity.len();
        infinity[end - 128..].fill(0);
        assert!(refused(&infinity), "{name}: empty opening");
        let other = Toy::new(&shape, 3);
        let proof = keys.prove(&other);
        assert_eq!(refused(&calldata(&toy.inputs, &proof)), shape.inputs > 0, "{name}: inputs of another proof");
    }
}

/// One extra byte leaves the pairing to the caller: never a success, and only a refusal if more than the pairing fails.
#[test]
fn deferred_leaves_the_pairing_and_nothing_else() {
    for (name, shape) in shapes() {
        let keys = Keys::new(&shape);
        let code = direct::generate(&keys.params, keys.pk.get_vk(), shape.inputs).unwrap();
        let toy = Toy::new(&shape, 6);
        let good = calldata(&toy.inputs, &keys.prove(&toy));
        let deferred = |data: &[u8], byte: u8| run(&code.runtime, &[data, &[byte]].concat()).unwrap();
        assert!(run_deferred(&code.runtime, &good).unwrap(), "{name}");
        let full = run(&code.runtime, &good).unwrap().execution_gas;
        // the pairing's input, and the generator and every point of the key that is opened, with its factor
        let vk = keys.pk.get_vk();
        let queried: HashSet<_> = vk.cs().fixed_queries().iter().map(|(column, _)| column.index()).collect();
        let left = 384 + 96 * (1 + queried.len() + vk.permutation().commitments().len());
        for byte in [0, 1, 255] {
            let report = deferred(&good, byte);
            assert!(!report.success && report.output.len() == left, "{name}: {report:?}");
            assert!(report.execution_gas + 110_000 < full, "{name}: {} of {full} gas", report.execution_gas);
        }
        // a changed evaluation fails only in the pairing
        let mut value = good.clone();
        let end = value.len();
        value[end - 129] ^= 1;
        assert_eq!(deferred(&value, 0).output.len(), left, "{name}");
        assert!(!run_deferred(&code.runtime, &value).unwrap(), "{name}");
        // a point off the curve, or another length, fails before that
        let mut point = good.clone();
        point[end - 1] ^= 1;
        assert_eq!(deferred(&point, 0).output, [0u8; 0], "{name}: a point off the curve");
        for length in [0, end - 32, end - 1] {
            assert_eq!(deferred(&good[..length], 0).output, [0u8; 0], "{name}: {length} bytes");
        }
        assert_eq!(deferred(&[&good[..], &[0]].concat(), 0).output, [0u8; 0], "{name}: two bytes long");
    }
}

#[test]
fn agrees_with_snark_verifier_and_is_leaner() {
    for (name, shape) in shapes() {
        let keys = Keys::new(&shape);
        let vk = keys.pk.get_vk();
        let ours = direct::generate(&keys.params, vk, shape.inputs).unwrap();
        let theirs = compile(&reference::generate(&keys.params, vk, shape.inputs).unwrap(), None).unwrap();
        let toy = Toy::new(&shape, 4);
        let good = calldata(&toy.inputs, &keys.prove(&toy));
        let [a, b] = [&ours, &theirs].map(|code| run(&code.runtime, &good).unwrap());
        assert!(a.success && b.success, "{name}");
        let sizes = [ours.runtime.len(), theirs.runtime.len()];
        println!("{name}: {sizes:?} bytes, {:?} gas", [a.execution_gas, b.execution_gas]);
        assert!(sizes[0] < sizes[1] && a.execution_gas < b.execution_gas, "{name}");
        for place in 0..good.len() / 32 {
            let mut bad = good.clone();
            bad[32 * place + 31] ^= 1;
            let [a, b] = [&ours, &theirs].map(|code| run(&code.runtime, &bad).unwrap().success);
            assert_eq!((a, b), (false, false), "{name}: word {place}");
        }
    }
}

#[test]
fn keeps_to_the_budget_of_a_wide_circuit() {
    let shape = Shape { k: 8, data: 20, sums: 10, fixed: 10, inputs: 1, ..Shape::default() };
    let keys = Keys::new(&shape);
    let vk = keys.pk.get_vk();
    assert_eq!((vk.cs().num_advice_columns(), vk.fixed_commitments().len()), (30, 13));
    assert_eq!(vk.get_domain().get_quotient_poly_degree(), 4);
    let code = direct::generate(&keys.params, vk, shape.inputs).unwrap();
    let toy = Toy::new(&shape, 5);
    let report = run(&code.runtime, &calldata(&toy.inputs, &keys.prove(&toy))).unwrap();
    println!("{} bytes, {report:?}", code.runtime.len());
    assert!(report.success && report.execution_gas <= 450_000 && code.runtime.len() <= 8_000);
}
