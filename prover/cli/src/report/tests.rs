use tribute_core::head::Weights;
use tribute_core::records::Records;

use super::chart::{bars, Bar};
use super::matrix::{counted, Matrix};
use super::page::page;
use super::{proofs, same_agent, EVALUATION, VALUATION};
use crate::offline::evaluation_tests::evaluation;
use crate::offline::many_tests::certificate as twelve_datasets;
use crate::offline::sampled_tests::sampled;
use crate::offline::tests::options;
use crate::offline::valuation_tests::valuation;
use crate::offline::verify_json;

/// Bars are sorted, and those beyond the maximum are summed up.
#[test]
fn a_chart_of_many_bars_adds_up_the_rest() {
    let many = (0..300).map(|i| Bar { label: format!("b{i}"), part: f64::from(i) / 44_850.0 });
    let chart = bars("shares", many.collect()).into_string();
    assert_eq!(chart.matches("class=\"bar\"").count(), 20);
    assert!(chart.contains("281 others"), "{chart}");
    assert!(chart.find("b299").unwrap() < chart.find("b298").unwrap(), "{chart}");
    // 280·281/2 of 44,850
    assert!(chart.contains("87.71 %"), "{chart}");
}

/// The page of an evaluation shows every proven number, and the HTML in its schema's name and labels is escaped.
#[test]
fn a_page_holds_everything_and_runs_nothing() {
    let report = verify_json(evaluation().to_json(), &options()).unwrap();
    let html = page(&report, std::slice::from_ref(&report), None, None).into_string();
    let (certificate, e) = (report.certificate(), report.evaluation().unwrap());
    for d in &certificate.datasets {
        let share = format!("{:.2} %", f64::from(d.share) * 100.0 / f64::from(1 << 20));
        let owners = d.shards.iter().map(|s| s.owner.to_string());
        for part in owners.chain([d.dataset_id.to_string(), d.records.to_string(), share]) {
            assert!(html.contains(&part), "{part}");
        }
    }
    for sentence in certificate.proven.iter().chain(&certificate.not_proven).chain(&e.proven).chain(&e.not_proven) {
        assert!(html.contains(sentence.as_str()), "{sentence}");
    }
    for part in [
        format!("<td class=\"number\">{}</td>", e.dataset.correct),
        format!("{:.2} %", 100.0 * e.accuracy()),
        format!("<td class=\"number\">{:.4}</td>", e.mean_loss()),
        certificate.checksum.to_string(),
        "These proofs convince nobody.".into(),
        "colours&lt;script&gt;alert(1)&lt;/script&gt;".into(),
        "&lt;/td&gt;&lt;img src=x onerror=alert(1)&gt;".into(),
    ] {
        assert!(html.contains(&part), "{part}");
    }
    assert_eq!(proofs(&report, std::slice::from_ref(&report)), report.proofs());
    for never in ["<script", "<img", "http://", "https://", "url(", "@import", "<link", "<iframe"] {
        assert!(!html.contains(never), "{never}");
    }
    assert!(html.contains("default-src 'none'"), "{html}");
}

/// The page of a valuation shows every value, whose test set it is, and what the valuation does not prove.
#[test]
fn a_valuation_is_shown_with_its_limits() {
    let report = verify_json(valuation().to_json(), &options()).unwrap();
    let html = page(&report, &[], None, Some(&report)).into_string();
    let v = report.valuation().unwrap();
    for (i, value) in v.values.iter().enumerate() {
        assert!(html.contains(&value.owner.to_string()));
        assert!(html.contains(&format!("{:.6}", v.value_per_record(i))));
    }
    for part in [v.test.shards[0].owner.to_string(), v.test.dataset_id.to_string(), "7 in all".into(), "1, 2, 3".into()]
    {
        assert!(html.contains(&part), "{part}");
    }
    for sentence in v.proven.iter().chain(&v.not_proven) {
        // apostrophes are not escaped, angle brackets and quotes would be
        assert!(html.contains(sentence.as_str()), "{sentence}");
    }
    assert!(!html.contains("<script"));
}

/// The page of a sampled valuation says how sure its values are, and how that was computed.
#[test]
fn intervals_are_shown_with_what_they_mean() {
    let report = verify_json(sampled().to_json(), &options()).unwrap();
    let html = page(&report, &[], None, Some(&report)).into_string();
    let v = report.valuation().unwrap();
    let half = format!("<td class=\"number\">{:.6}</td>", v.per_record(v.values[0].half_width));
    assert_eq!(html.matches(&half).count(), 7, "{half}");
    for part in
        ["30 orders of the owners", "all owners together with 95 %", "normal approximation", "± (95 %, all together)"]
    {
        assert!(html.contains(part), "{part}");
    }
}

/// A class is counted for every answer, and shown beside an evaluation of which it can be.
#[test]
fn which_classes_it_takes_for_which_is_shown_as_not_proven() {
    // of one feature: class 1 from 101 on, never class 2
    let weights = Weights::new(1, 3, vec![100, 0, -1000, 0, 256, 0]).unwrap();
    let mut records = Records::new(1);
    for (feature, class) in [(0, 0), (1, 0), (255, 0), (200, 1), (255, 2)] {
        records.push(&[feature], class);
    }
    assert_eq!(counted(&weights, &records), [[2, 1, 0], [0, 1, 0], [0, 1, 0]]);

    let report = verify_json(evaluation().to_json(), &options()).unwrap();
    let evaluations = std::slice::from_ref(&report);
    let (labels, dataset) = (["a", "<b>", "c"].map(str::to_owned), &report.evaluation().unwrap().dataset);
    let wrong = dataset.records - dataset.correct;
    let fitting = || vec![vec![dataset.correct - 1, wrong, 0], vec![0, 1, 0], vec![0, 0, 0]];
    let matrix = Matrix::of(&labels, fitting(), evaluations).unwrap();
    let html = page(&report, evaluations, Some(&matrix), None).into_string();
    for part in ["Not proven. ", "<th scope=\"row\">&lt;b&gt;</th>", &format!("<td class=\"number\">{wrong}</td>")] {
        assert!(html.contains(part), "{part}");
    }
    // one record more, one right answer fewer, no evaluation
    let (mut more, mut fewer) = (fitting(), fitting());
    more[2][2] += 1;
    fewer[0][0] -= 1;
    fewer[0][2] += 1;
    for (counts, evaluations) in [(more, evaluations), (fewer, evaluations), (fitting(), &[][..])] {
        let refused = Matrix::of(&labels, counts, evaluations).unwrap_err();
        assert!(refused.contains("is proven: give the records that were evaluated"), "{refused}");
    }
}

/// An accuracy is shown only with the certificate for which it was proven.
#[test]
fn an_evaluation_of_another_version_is_refused() {
    let own = verify_json(evaluation().to_json(), &options()).unwrap();
    let certificate = verify_json(own.certificate().to_json(), &options()).unwrap();
    same_agent(&certificate, &own, "e.json".as_ref(), EVALUATION).unwrap();
    let refused = same_agent(&own, &certificate, "c.json".as_ref(), EVALUATION).unwrap_err().to_string();
    assert!(refused.contains("c.json is a certificate, not an evaluation"), "{refused}");
    let other = verify_json(twelve_datasets().to_json(), &options()).unwrap();
    let refused = same_agent(&other, &own, "e.json".as_ref(), EVALUATION).unwrap_err().to_string();
    assert!(refused.contains("not of the certificate given"), "{refused}");
    // nor one of the other kind, which would be shown nowhere
    let refused = same_agent(&certificate, &own, "e.json".as_ref(), VALUATION).unwrap_err().to_string();
    assert!(refused.contains("e.json is an evaluation, not a valuation: `tribute agent value`"), "{refused}");
    let worth = verify_json(valuation().to_json(), &options()).unwrap();
    let refused = same_agent(&worth, &worth, "v.json".as_ref(), EVALUATION).unwrap_err().to_string();
    assert!(refused.contains("v.json is a valuation, not an evaluation: `tribute agent evaluate`"), "{refused}");
}
