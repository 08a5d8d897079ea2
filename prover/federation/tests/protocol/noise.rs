//! Noise on the rounds' sums: what it does to them, and what it costs in ε.

use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_federation::numbers::{Format, Sums};
use tribute_federation::request::NOISE_BITS;
use tribute_federation::rule::Next;
use tribute_inference::check_optimum;

use crate::setting::{example, Diary, Setting};

/// Noise of standard deviation `sigma` on every sum of every node.
fn noisy(mut setting: Setting, sigma: f64) -> Setting {
    setting.request.noise = (sigma * f64::from(1 << NOISE_BITS)) as u64;
    setting.request.check().unwrap();
    setting
}

fn digits(nodes: usize) -> Setting {
    let (schema, records) = example("digits.csv.gz");
    let parts = (0..nodes).map(|i| {
        let mut part = Records::new(records.width());
        records.iter().skip(i).step_by(nodes).for_each(|(features, target)| part.push(features, target));
        part
    });
    Setting::new(schema, parts.collect(), Link::Softmax, 1e-2)
}

/// ε after training with noise, with the relative distance that it proves.
fn cost(setting: &Setting) -> (f64, f64, u32) {
    let (weights, rounds) = setting.train().unwrap();
    let (layout, datasets) = (setting.request.layout().unwrap(), setting.records.iter().collect::<Vec<_>>());
    let optimum = check_optimum(&setting.schema, &layout, &weights, &datasets, &setting.request.loss()).unwrap();
    (optimum.gradient_norm(), optimum.relative_distance, rounds)
}

/// The ε that noise costs is what [`tribute_federation::Request::noise_floor`] says.
#[test]
fn noise_costs_the_epsilon_that_was_announced() {
    for sigma in [1e-5, 1e-4, 1e-3] {
        let setting = noisy(digits(3), sigma);
        let (epsilon, distance, rounds) = cost(&setting);
        let announced = setting.request.noise_floor(650);
        println!("sigma {sigma:e}: epsilon {epsilon:.2e}, announced {announced:.2e}, relative distance {distance:.1e}, {rounds} rounds");
        assert!((0.2..5.0).contains(&(epsilon / announced)), "{epsilon:e} {announced:e}");
        assert!(rounds <= 20, "{rounds} rounds");
    }
}

#[test]
fn conjugate_gradients_end_at_the_noise_too() {
    let setting = noisy(Setting::large(1e-1), 1e-4);
    let (epsilon, _, rounds) = cost(&setting);
    let announced = setting.request.noise_floor(2_030);
    assert!((0.2..5.0).contains(&(epsilon / announced)), "{epsilon:e} {announced:e}");
    assert!(rounds <= 100, "{rounds} rounds");
}

/// Every sum is off by noise of the announced size, which a repetition does not draw again.
#[test]
fn sums_are_off_by_the_noise() {
    let (plain, setting) = (digits(3), noisy(digits(3), 0.1));
    let sums = |setting: &Setting| {
        let diary = Diary::default();
        let owner = setting.owner(&diary);
        let Next::Ask(query) = owner.next() else { panic!() };
        let call = owner.call(&query);
        let answers: Vec<_> = (0..3).map(|i| setting.ask(i, &call).unwrap()).collect();
        let again: Vec<_> = (0..3).map(|i| setting.ask(i, &call).unwrap()).collect();
        assert_eq!(answers, again, "noise is drawn once");
        let format = Format::of(&setting.request, &query.asks).unwrap();
        let mut total = format.read(&answers[0].numbers).unwrap();
        answers[1..].iter().for_each(|a| total.add(&format.read(&a.numbers).unwrap()));
        match format.decode(0, setting.request.records(), &total).unwrap() {
            Sums::Point(part) => [vec![part.loss], part.gradient, part.curvature].concat(),
            Sums::Product(_) => panic!(),
        }
    };
    let (without, with) = (sums(&plain), sums(&setting));
    let off: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
    let mean = off.iter().sum::<f64>() / off.len() as f64;
    let deviation = (off.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / off.len() as f64).sqrt();
    let announced = setting.request.noise_of_all();
    // some 97,000 numbers
    assert!(mean.abs() < 0.02 * announced, "{mean:e}");
    assert!((deviation / announced - 1.0).abs() < 0.02, "{deviation:e} {announced:e}");
    assert!(off.iter().all(|x| x.abs() < 7.0 * announced));
}
