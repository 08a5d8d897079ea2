//! Conversions between messages and domain types, shared by client and server.

use tonic::Status;
use tribute_chain::{SignedVoucher, Voucher};
use tribute_core::context::Terms;
use tribute_core::id::SessionId;
use tribute_core::link::Link;
use tribute_core::proof::Proof;
use tribute_core::statement::Statement;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

/// Converts a voucher into a message.
#[must_use]
pub fn voucher(v: &SignedVoucher) -> v1::Voucher {
    v1::Voucher {
        session: v.session().to_vec(),
        version: v.version(),
        count: v.count(),
        transcript: v.transcript().to_vec(),
        signature: v.signature().to_vec(),
    }
}

/// Parses a voucher as strictly as the contract does: one that the contract cannot parse would leave an answer unpaid.
///
/// # Errors
/// Names the malformed field, or says what is wrong with the signature.
pub fn signed_voucher(v: &v1::Voucher) -> Result<SignedVoucher> {
    let session: SessionId = field("voucher.session", &v.session)?;
    let transcript = field("voucher.transcript", &v.transcript)?;
    let voucher = Voucher { session, version: v.version, count: v.count, transcript };
    SignedVoucher::new(voucher, &v.signature)
        .map_err(|e| Problem::new(Reason::BadVoucher, e.to_string()).with("session", session))
}

/// Converts a statement's code; `name` is the field's name, for errors.
///
/// # Errors
/// Names the field.
pub fn statement(name: &str, code: i32) -> Result<Statement> {
    let found = Statement::ALL.into_iter().find(|s| i32::from(s.code()) == code);
    found.ok_or_else(|| Problem::field(name, format!("{code} is no statement")))
}

/// Converts a proof from a message.
///
/// # Errors
/// Names the field.
pub fn proof(p: &v1::Proof) -> Result<Proof> {
    Ok(Proof {
        statement: statement("proof.statement", p.statement)?,
        circuit: field("proof.circuit_id", &p.circuit_id)?,
        inputs: p.inputs.iter().map(|x| field("proof.inputs", x)).collect::<Result<_>>()?,
        bytes: p.proof.clone(),
    })
}

/// Converts a dataset's terms from a message.
///
/// # Errors
/// Names the field that is out of range.
pub fn terms(t: v1::Terms) -> Result<Terms> {
    let basis_points = |name: &str, value: u32| match u16::try_from(value) {
        Ok(value) if value <= 10_000 => Ok(value),
        _ => Err(Problem::field(name, format!("{value} basis points are more than 10,000"))),
    };
    let min_price = match t.min_price.as_str() {
        "" => 0,
        text => text.parse().map_err(|_| {
            Problem::field("terms.min_price", format!("`{text}` is no whole number of the token's smallest unit"))
        })?,
    };
    let mut links = 0;
    for value in t.links {
        let link = link(value)?.ok_or_else(|| Problem::field("terms.links", "names no link"))?;
        links |= 1 << link.code();
    }
    Ok(Terms {
        min_data_bps: basis_points("terms.min_data_bps", t.min_data_bps)?,
        open_training: t.open_training,
        min_share_bps: basis_points("terms.min_share_bps", t.min_share_bps)?,
        min_price,
        links,
    })
}

/// Converts a dataset's terms into a message.
#[must_use]
pub fn terms_message(t: Terms) -> v1::Terms {
    let links = [Link::Squared, Link::Logistic, Link::Softmax].into_iter().map(Link::code);
    v1::Terms {
        min_data_bps: t.min_data_bps.into(),
        open_training: t.open_training,
        min_share_bps: t.min_share_bps.into(),
        min_price: if t.min_price == 0 { String::new() } else { t.min_price.to_string() },
        links: links.filter(|code| (t.links >> code) & 1 == 1).map(Into::into).collect(),
    }
}

/// Converts a link's code; `None` if it is unspecified.
///
/// # Errors
/// Names the field.
pub fn link(value: i32) -> Result<Option<Link>> {
    Ok(match v1::Link::try_from(value) {
        Ok(v1::Link::Unspecified) => None,
        Ok(v1::Link::Squared) => Some(Link::Squared),
        Ok(v1::Link::Logistic) => Some(Link::Logistic),
        Ok(v1::Link::Softmax) => Some(Link::Softmax),
        Err(_) => return Err(Problem::field("link", format!("{value} is no link"))),
    })
}

/// Converts a server's status; one without details becomes an internal error.
#[must_use]
pub fn problem(status: Status) -> Problem {
    Problem::from_status(&status)
        .unwrap_or_else(|| Problem::internal(format!("{}: {}", status.code(), status.message())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;
    use alloy::signers::local::PrivateKeySigner;
    use tribute_core::context::Domain;
    use tribute_core::id::Transcript;

    #[test]
    fn a_voucher_that_the_contract_cannot_parse_is_refused() {
        let domain = Domain { chain_id: 31_337, contract: [0x5e; 20] };
        let (session, transcript) = (SessionId::new([9; 32]), Transcript::new([7; 32]));
        let signed = Voucher { session, version: 1, count: 5, transcript };
        let good = voucher(&SignedVoucher::sign(&PrivateKeySigner::random(), &domain, signed).unwrap());
        assert_eq!(voucher(&signed_voucher(&good).unwrap()), good);
        let refused = |signature: Vec<u8>| {
            let problem = signed_voucher(&v1::Voucher { signature, ..good.clone() }).unwrap_err();
            assert_eq!(problem.reason, Reason::BadVoucher);
            problem.message
        };
        for v in [0, 1, 35, 36] {
            let message = refused([&good.signature[..64], &[v]].concat());
            assert!(message.contains(&format!("27 or 28, not {v}")), "{message}");
        }
        assert!(refused(good.signature[..64].to_vec()).contains("not 64"));
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let twin = (order - U256::from_be_slice(&good.signature[32..64])).to_be_bytes::<32>();
        let message = refused([&good.signature[..32], &twin, &[55 - good.signature[64]]].concat());
        assert!(message.contains("lower half"), "{message}");
    }

    #[test]
    fn a_proof_that_is_none_names_its_field() {
        let good = v1::Proof {
            statement: v1::Statement::Gradient.into(),
            circuit_id: vec![1; 32],
            inputs: vec![vec![2; 32]],
            proof: vec![3; 64],
            ..Default::default()
        };
        let read = proof(&good).unwrap();
        assert_eq!(
            (read.statement, read.circuit.to_vec(), &read.bytes),
            (Statement::Gradient, vec![1; 32], &good.proof)
        );
        let refused = |p: v1::Proof| proof(&p).unwrap_err().message;
        assert!(refused(v1::Proof { statement: 0, ..good.clone() }).starts_with("proof.statement: 0"));
        let message = refused(v1::Proof { circuit_id: vec![1; 31], ..good.clone() });
        assert!(message.contains("31 bytes are not a circuit id"), "{message}");
        assert!(refused(v1::Proof { inputs: vec![vec![]], ..good }).starts_with("proof.inputs: 0 bytes"));
    }
}
