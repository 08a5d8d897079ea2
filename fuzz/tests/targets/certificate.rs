//! Certificates, evaluations and valuations: parsed and checked without a panic, and no altered file is accepted.

use tribute_core::certificate::evaluation::Evaluation;
use tribute_core::certificate::{Certificate, CertificateError, Hex};
use tribute_core::valuation::Valuation;

use super::{corpus, fuzz};

/// Checks everything in the file except its proofs.
fn check_certificate(file: &Certificate) -> Result<(), CertificateError> {
    file.check()?.verdict()
}

fn check_evaluation(file: &Evaluation) -> Result<(), CertificateError> {
    file.check()?.verdict()
}

#[test]
fn certificates() {
    let good = corpus("certificate.json");
    let file = Certificate::from_json(&good).expect("the corpus is valid");
    check_certificate(&file).expect("the corpus passes");
    assert_eq!(file.checksum.0, file.expected_checksum());
    fuzz("certificate", std::slice::from_ref(&good), 3_000, |input| {
        let Ok(mut file) = Certificate::from_json(input) else { return };
        assert_eq!(file.to_json().as_bytes(), input, "a content has exactly one encoding");
        let intact = file.checksum.0 == file.expected_checksum();
        assert_eq!(intact && check_certificate(&file).is_ok(), input == good);
        // a forger would fix the checksum
        file.checksum = Hex(file.expected_checksum());
        let _ = check_certificate(&file);
    });
}

#[test]
fn evaluations() {
    let good = corpus("evaluation.json");
    let file = Evaluation::from_json(&good).expect("the corpus is valid");
    check_evaluation(&file).expect("the corpus passes");
    fuzz("evaluation", &[good.clone(), corpus("certificate.json")], 3_000, |input| {
        let Ok(mut file) = Evaluation::from_json(input) else { return };
        assert_eq!(file.to_json().as_bytes(), input, "a content has exactly one encoding");
        let intact = file.checksum.0 == file.expected_checksum();
        assert_eq!(intact && check_evaluation(&file).is_ok(), input == good);
        file.certificate.checksum = Hex(file.certificate.expected_checksum());
        file.checksum = Hex(file.expected_checksum());
        let _ = check_evaluation(&file);
    });
}

fn check_valuation(file: &Valuation) -> Result<(), CertificateError> {
    file.check()?.verdict()
}

#[test]
fn valuations() {
    let good = corpus("valuation.json");
    let file = Valuation::from_json(&good).expect("the corpus is valid");
    check_valuation(&file).expect("the corpus passes");
    fuzz("valuation", &[good.clone(), corpus("evaluation.json")], 2_000, |input| {
        let Ok(mut file) = Valuation::from_json(input) else { return };
        assert_eq!(file.to_json().as_bytes(), input, "a content has exactly one encoding");
        let intact = file.checksum.0 == file.expected_checksum();
        assert_eq!(intact && check_valuation(&file).is_ok(), input == good);
        file.certificate.checksum = Hex(file.certificate.expected_checksum());
        file.checksum = Hex(file.expected_checksum());
        let _ = check_valuation(&file);
    });
}
