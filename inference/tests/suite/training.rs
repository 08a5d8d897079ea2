//! Trained heads can be certified on real data; anything but an optimum is rejected.

use std::borrow::Cow;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tribute_core::head::{answer, lambda_units, ContributionError, Weights};
use tribute_core::link::Link;
use tribute_core::numbers::{link_error_units, LAMBDA_BITS, LAMBDA_LIMIT_BITS};
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_inference::train::Pieces;
use tribute_inference::{check_optimum, polish, train, Looks, LossOptions, OptimumError, TrainError};

use crate::common;

fn options(link: Link, lambda: f64) -> LossOptions {
    LossOptions { link, lambda: lambda_units(lambda).unwrap(), intercept_scale: 0 }
}

fn accuracy(weights: &Weights, records: &Records) -> f64 {
    let right = records.iter().filter(|(q, y)| answer(&weights.logits(q)) == *y).count();
    right as f64 / records.len() as f64
}

#[test]
fn digits_are_certifiable_with_every_link() {
    let (schema, records) = common::example("digits.csv.gz");
    let parts = [records.slice(0..900), records.slice(900..1400), records.slice(1400..1597)];
    let split: Vec<&Records> = parts.iter().collect();
    let whole = [&records.slice(0..1597)];
    let heldout = records.slice(1597..1797);
    let layout = schema.layout(15, 8).unwrap();
    for link in [Link::Softmax, Link::Logistic, Link::Squared] {
        let options = options(link, 1e-3);
        // with the squared link the last part has a negative contribution, see below
        let datasets: &[&Records] = if link == Link::Squared { &whole } else { &split };
        let start = std::time::Instant::now();
        let trained = train(&schema, datasets, &options, |_| ()).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let report = check_optimum(&schema, &layout, &trained.weights, datasets, &options).unwrap();
        let accuracy = accuracy(&trained.weights, &heldout);
        println!(
            "{}: {seconds:.3} s, {} steps, gradient {:.1e} before rounding, {:.2e} in integers, relative distance {:.2e}, shares {:?}, held out {accuracy}",
            link.name(), trained.steps, trained.gradient, report.gradient_norm(), report.relative_distance, report.shares(),
        );
        assert!(trained.gradient < 1e-9);
        // the gradient left by rounding the weights is below the error of the link's tables
        let delta = link_error_units(64, 10, 0);
        let part = report.optimum.epsilon as f64 / delta as f64;
        println!("epsilon is {part:.3} of delta");
        assert!(part < if link == Link::Squared { 1.0 } else { 0.1 }, "{part}");
        assert!(report.gradient_norm() < 1e-9);
        assert!(report.relative_distance < 1e-6);
        assert!((report.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // the contributions add up to n·λ·‖W‖², up to rounding of the norm
        let units = f64::from(layout.contribution_bits() as i32).exp2();
        let norm = report.optimum.norm as f64 / 1024.0;
        let expected = 1597.0 * options.lambda as f64 / f64::from(LAMBDA_BITS as i32).exp2() * norm * norm;
        let found = report.contributions.sum as f64 / units;
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
        assert!(accuracy >= if link == Link::Squared { 0.85 } else { 0.90 });
    }
}

/// Records that are read from files whenever they are needed.
struct OnDisk {
    folder: tempfile::TempDir,
    lengths: Vec<usize>,
    reads: std::sync::atomic::AtomicUsize,
}

impl OnDisk {
    fn new(records: &Records, piece: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut lengths = Vec::new();
        for from in (0..records.len()).step_by(piece) {
            let part = records.slice(from..(from + piece).min(records.len()));
            std::fs::write(folder.path().join(lengths.len().to_string()), part.to_bytes()).unwrap();
            lengths.push(part.len());
        }
        OnDisk { folder, lengths, reads: 0.into() }
    }
}

impl Pieces for OnDisk {
    fn width(&self) -> usize {
        64
    }
    fn lengths(&self) -> Vec<usize> {
        self.lengths.clone()
    }
    fn piece(&self, index: usize) -> Result<Cow<'_, Records>, String> {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let bytes = std::fs::read(self.folder.path().join(index.to_string())).map_err(|e| e.to_string())?;
        Records::from_bytes(&bytes).map(Cow::Owned).ok_or("damaged".to_owned())
    }
}

#[test]
fn records_that_are_not_in_memory_give_the_same_optimum() {
    let (schema, records) = common::example("digits.csv.gz");
    let layout = schema.layout(15, 8).unwrap().with_intercept_scale(3).unwrap();
    for link in [Link::Softmax, Link::Logistic, Link::Squared] {
        let options = LossOptions { intercept_scale: 3, ..options(link, 1e-3) };
        let here = train(&schema, &[&records], &options, |_| ()).unwrap();
        let datasets = [OnDisk::new(&records.slice(0..1000), 300), OnDisk::new(&records.slice(1000..1797), 797)];
        let datasets: Vec<&OnDisk> = datasets.iter().collect();
        let (mut steps, mut losses) = (0, Vec::new());
        let there = train(&schema, &datasets, &options, |p| {
            steps = p.step;
            losses.push(p.loss);
        })
        .unwrap();
        let off = here.weights.values().iter().zip(there.weights.values()).map(|(a, b)| (a - b).abs()).max().unwrap();
        let reads = datasets[0].reads.load(std::sync::atomic::Ordering::Relaxed);
        println!("{}: {off} units of 2^-32 apart, {steps} steps, pieces read {reads} times", link.name());
        // both are rounded to the optimum in their own way
        assert!(off < 1 << 12, "{off}");
        assert!(steps == there.steps && losses.is_sorted_by(|a, b| a >= b));
        let exact = |report: tribute_inference::OptimumReport| (report.optimum, report.gradients);
        let whole = [&records.slice(0..1000), &records.slice(1000..1797)];
        let pieced = check_optimum(&schema, &layout, &there.weights, &datasets, &options).map(exact);
        assert_eq!(pieced, check_optimum(&schema, &layout, &there.weights, &whole, &options).map(exact));
        // from near the optimum, fewer steps
        let again = polish(&schema, &datasets, &options, &there.weights, |_| ()).unwrap();
        assert!(again.steps < there.steps || link == Link::Squared, "{} {}", again.steps, there.steps);
        std::fs::remove_file(datasets[1].folder.path().join("0")).unwrap();
        let e = train(&schema, &datasets, &options, |_| ()).unwrap_err();
        assert!(matches!(&e, TrainError::Read { reason } if reason.contains("No such file")), "{e}");
        assert!(matches!(
            check_optimum(&schema, &layout, &there.weights, &datasets, &options),
            Err(OptimumError::Read { .. })
        ));
    }
}

/// The last rows of the digits are in a different handwriting: in a least-squares fit of all rows, their contribution
/// is negative.
#[test]
fn a_dataset_with_a_negative_contribution_is_refused_and_named() {
    let (schema, records) = common::example("digits.csv.gz");
    let parts = [records.slice(0..900), records.slice(900..1400), records.slice(1400..1597)];
    let datasets: Vec<&Records> = parts.iter().collect();
    let (options, layout) = (options(Link::Squared, 1e-3), schema.layout(15, 8).unwrap());
    let trained = train(&schema, &datasets, &options, |_| ()).unwrap();
    let e = check_optimum(&schema, &layout, &trained.weights, &datasets, &options).unwrap_err();
    let OptimumError::Contributions(ContributionError::Negative { dataset, negative, sum }) = &e else { panic!("{e}") };
    assert_eq!(*dataset, 2);
    assert!(*negative > sum / 100, "{e}");

    let without = train(&schema, &datasets[..2], &options, |_| ()).unwrap();
    check_optimum(&schema, &layout, &without.weights, &datasets[..2], &options).unwrap();
}

/// Ten thousand records of 784 features in ten classes: pixels of shifted, enlarged digits with noise.
#[test]
fn a_large_problem_takes_seconds() {
    let (_, digits) = common::example("digits.csv.gz");
    let features = (0..784).map(|j| Feature { name: format!("p{j}"), lo: 0.0, hi: 255.0 }).collect();
    let labels = (0..10).map(|u| u.to_string()).collect();
    let schema = Schema::new("large".into(), features, Target::Classes(labels), None).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut records = Records::new(784);
    for i in 0..10_000 {
        let (q, y) = (digits.features(i % digits.len()), digits.target(i % digits.len()));
        let (right, down) = (rng.gen_range(0..5), rng.gen_range(0..5));
        let pixel = |j: usize| {
            let (row, column) = ((j / 28).wrapping_sub(down) / 3, (j % 28).wrapping_sub(right) / 3);
            if row < 8 && column < 8 {
                q[row * 8 + column]
            } else {
                0
            }
        };
        let large: Vec<u8> = (0..784).map(|j| pixel(j).saturating_sub(rng.gen_range(0..60))).collect();
        records.push(&large, y);
    }
    let options = options(Link::Softmax, 1e-3);
    let start = std::time::Instant::now();
    let trained = train(&schema, &[&records], &options, |_| ()).unwrap();
    let fitted = start.elapsed().as_secs_f64();
    let layout = schema.layout(17, 24).unwrap();
    let report = check_optimum(&schema, &layout, &trained.weights, &[&records], &options).unwrap();
    println!(
        "10,000 x 784 x 10: fit {fitted:.2} s ({} steps), check {:.2} s, gradient {:.2e}, relative distance {:.2e}",
        trained.steps,
        start.elapsed().as_secs_f64() - fitted,
        report.gradient_norm(),
        report.relative_distance,
    );
    assert!(report.relative_distance <= 1e-3);
}

#[test]
fn wine_is_certifiable_with_every_link() {
    let (schema, records) = common::example("wine.csv");
    let layout = schema.layout(15, 8).unwrap();
    for link in [Link::Softmax, Link::Logistic, Link::Squared] {
        let options = options(link, 1e-3);
        let trained = train(&schema, &[&records.slice(0..140)], &options, |_| ()).unwrap();
        let report = check_optimum(&schema, &layout, &trained.weights, &[&records.slice(0..140)], &options).unwrap();
        assert!(report.relative_distance <= 1e-3);
        assert!(accuracy(&trained.weights, &records.slice(140..178)) >= 0.90);
    }
}

/// Sums are added in a fixed order, so the weights do not depend on the number of threads.
#[test]
fn training_is_repeatable_on_any_number_of_threads() {
    let (schema, records) = common::example("digits.csv.gz");
    let options = options(Link::Softmax, 1e-3);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(&schema, &[&records], &options, |_| ()).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn a_real_target_is_fitted() {
    let features = vec![Feature { name: "a".into(), lo: 0.0, hi: 1.0 }, Feature { name: "b".into(), lo: 0.0, hi: 1.0 }];
    let schema = Schema::new("line".into(), features, Target::Real { lo: 0.0, hi: 1.0 }, None).unwrap();
    let mut records = Records::new(2);
    for i in 0..400u32 {
        let (a, b) = (i * 37 % 256, i * 101 % 256);
        records.push(&[a as u8, b as u8], (8_000 + 100 * a + 50 * b) as u16); // 0.122 + 0.39·a/256 + 0.195·b/256
    }
    let options = options(Link::Squared, 2e-3);
    let trained = train(&schema, &[&records], &options, |_| ()).unwrap();
    let real: Vec<f64> = trained.weights.values().iter().map(|w| *w as f64 / 32f64.exp2()).collect();
    for (got, want) in real.iter().zip([0.122, 0.390, 0.195]) {
        assert!((got - want).abs() < 2e-2, "{real:?}");
    }
    let layout = schema.layout(14, 4).unwrap();
    check_optimum(&schema, &layout, &trained.weights, &[&records], &options).unwrap();
    let softmax = train(&schema, &[&records], &LossOptions { link: Link::Softmax, ..options }, |_| ());
    assert_eq!(softmax, Err(TrainError::SoftmaxOfOne));
}

/// One weight off by 2^-10, another loss, other data: the error gives the gradient's size and position.
#[test]
fn what_is_no_optimum_is_refused_with_its_place() {
    let (schema, records) = common::example("digits.csv.gz");
    let all = records.slice(0..1597);
    let layout = schema.layout(15, 8).unwrap();
    let options = options(Link::Softmax, 1e-3);
    let good = train(&schema, &[&all], &options, |_| ()).unwrap().weights;
    let check = |weights: &Weights, records: &Records, options: &LossOptions| {
        check_optimum(&schema, &layout, weights, &[records], options)
    };
    assert!(check(&good, &all, &options).is_ok());

    let mut values = good.values().to_vec();
    values[(20 + 1) * 10 + 7] += 1 << 22; // feature 20, class 7
    let moved = Weights::new(64, 10, values).unwrap();
    match check(&moved, &all, &options).unwrap_err() {
        OptimumError::NotOptimal { gradient, allowed, feature, class, entry, .. } => {
            assert!(gradient > allowed && allowed > 1e-9, "{gradient} {allowed}");
            assert!(entry.abs() <= gradient && entry > 0.0);
            assert!(feature.contains('`') || feature == "the bias", "{feature}");
            assert_eq!(class, "class 7 (`7`)");
        }
        other => panic!("{other}"),
    }

    for (what, other) in [
        ("zero weights", check(&Weights::zero(64, 10), &all, &options)),
        ("other lambda", check(&good, &all, &LossOptions { lambda: options.lambda * 2, ..options })),
        ("other link", check(&good, &all, &LossOptions { link: Link::Logistic, ..options })),
        ("a record less", check(&good, &all.slice(0..1596), &options)),
    ] {
        let e = other.unwrap_err();
        let OptimumError::NotOptimal { diagnosis, .. } = &e else { panic!("{what}: {e}") };
        let looks = match what {
            "zero weights" => Looks::Far,
            "other lambda" => Looks::OtherTerms,
            "other link" => Looks::OtherLoss(Link::Softmax),
            _ => Looks::Close,
        };
        assert_eq!(diagnosis.looks, looks, "{what}: {e}");
        let near = |wanted: f64| (diagnosis.best_lambda.unwrap_or(0.0) / wanted - 1.0).abs() < 1e-2;
        assert!(near(1e-3) == matches!(looks, Looks::OtherTerms | Looks::Close), "{what}: {e}");
    }
}

#[test]
fn a_lambda_below_the_link_tables_is_refused_with_one_that_would_do() {
    let (schema, records) = common::example("digits.csv.gz");
    let layout = schema.layout(15, 8).unwrap();
    let at = |lambda: f64| {
        let options = options(Link::Squared, lambda);
        let trained = train(&schema, &[&records], &options, |_| ()).unwrap();
        check_optimum(&schema, &layout, &trained.weights, &[&records], &options)
    };
    let e = at(1e-7).unwrap_err();
    let OptimumError::LambdaTooSmall { lambda, norm, needed, .. } = &e else { panic!("{e}") };
    assert!((lambda / 1e-7 - 1.0).abs() < 1e-3 && *norm > 1.0 && needed > lambda, "{e}");
    assert!(e.to_string().contains("use lambda = "), "{e}");
    // a larger penalty gives a smaller norm, so lambda must be larger than `needed` for the present norm
    at(4.0 * needed).unwrap();
}

/// A large intercept scale penalises the bias so little that it is nearly free, as in scikit-learn.
#[test]
fn a_large_intercept_scale_comes_close_to_a_free_bias() {
    let (schema, records) = common::example("wine.csv");
    let lambda = 0.02;
    let model = |scale: u32| {
        let options = LossOptions { intercept_scale: scale, ..options(Link::Softmax, lambda) };
        let weights = train(&schema, &[&records], &options, |_| ()).unwrap().weights;
        let layout = schema.layout(15, 8).unwrap().with_intercept_scale(scale).unwrap();
        let report = check_optimum(&schema, &layout, &weights, &[&records], &options).unwrap();
        assert!(report.relative_distance <= 1e-3);
        // the effective bias: the weight times its feature
        let mut real: Vec<f64> = weights.values().iter().map(|w| *w as f64 / 32f64.exp2()).collect();
        real[..3].iter_mut().for_each(|b| *b *= f64::from(1u32 << scale));
        real
    };
    let models: Vec<Vec<f64>> = (0..=4).map(model).collect();
    let free = free_bias(&schema, &records, lambda);
    let off = |m: &Vec<f64>| m.iter().zip(&free).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let norm = free.iter().map(|w| w * w).sum::<f64>().sqrt();
    let distances: Vec<f64> = models.iter().map(|m| off(m) / norm).collect();
    println!("relative distance from the optimum with a free bias, by intercept scale: {distances:.5?}");
    assert!(distances.windows(2).all(|w| w[1] < w[0]), "{distances:?}");
    assert!(distances[4] < 0.02 && distances[4] * 10.0 < distances[0], "{distances:?}");
}

/// The softmax optimum with an unpenalised bias, by gradient descent in real numbers; shape `[d + 1][c]`.
fn free_bias(schema: &Schema, records: &Records, lambda: f64) -> Vec<f64> {
    let (d, c, n) = (schema.features().len(), schema.classes(), records.len() as f64);
    let mut w = vec![0.0; (d + 1) * c];
    let mut before = w.clone();
    for step in 1..=20_000u32 {
        // Nesterov's acceleration: extrapolate along the last step
        let ahead = f64::from(step - 1) / f64::from(step + 2);
        let at: Vec<f64> = w.iter().zip(&before).map(|(w, b)| w + ahead * (w - b)).collect();
        let mut g: Vec<f64> = at.iter().enumerate().map(|(i, w)| if i < c { 0.0 } else { lambda * w }).collect();
        for (q, y) in records.iter() {
            let x = |j: usize| if j == 0 { 1.0 } else { f64::from(q[j - 1]) / 256.0 };
            let mut z: Vec<f64> = (0..c).map(|u| (0..=d).map(|j| x(j) * at[j * c + u]).sum()).collect();
            tribute_core::link::real(Link::Softmax, &mut z);
            z[usize::from(y)] -= 1.0;
            for j in 0..=d {
                (0..c).for_each(|u| g[j * c + u] += x(j) * z[u] / n);
            }
        }
        before.clone_from(&w);
        w = at.iter().zip(&g).map(|(w, g)| w - 0.3 * g).collect();
    }
    w
}

#[test]
fn broken_input_to_training_is_named() {
    let (schema, records) = common::example("wine.csv");
    let good = options(Link::Softmax, 1e-3);
    let run = |datasets: &[&Records], options: &LossOptions| train(&schema, datasets, options, |_| ()).unwrap_err();
    assert_eq!(run(&[], &good), TrainError::Records { records: 0 });
    let narrow = Records::new(12);
    assert_eq!(run(&[&records, &narrow], &good), TrainError::Width { dataset: 1, expected: 13, got: 12 });
    let mut strange = records.clone();
    strange.push(&[0; 13], 3);
    assert_eq!(
        run(&[&records, &strange], &good),
        TrainError::Target { dataset: 1, record: 178, target: 3, classes: 3 }
    );
    for lambda in [0, 1 << LAMBDA_LIMIT_BITS] {
        assert_eq!(run(&[&records], &LossOptions { lambda, ..good }), TrainError::Lambda { lambda });
    }
    // so small that no weights in range could be certified
    let e = run(&[&records], &LossOptions { lambda: 1, ..good });
    assert!(matches!(e, TrainError::LambdaTooSmall { features: 13, classes: 3, .. }), "{e}");
    // separable data with almost no regularisation: the optimum's weights exceed the circuits' range
    let weak = LossOptions { lambda: 8_000, ..good };
    let e = run(&[&records], &weak);
    assert!(matches!(&e, TrainError::Weight { value, .. } if value.abs() >= 32.0), "{e}");
}
