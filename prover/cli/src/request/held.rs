//! A request as a participant's node holds it, and its approval.

use tribute_client::{problem, Client};
use tribute_core::hexed::Hex;
use tribute_core::id::RequestId;
use tribute_federation::{Asked, Consent};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

pub(super) async fn get(client: &Client, id: RequestId) -> Result<v1::TrainingRequest> {
    let get = v1::GetTrainingRequestRequest { id: id.to_vec(), account: Vec::new() };
    Ok(client.trainings().get_training_request(get).await.map_err(problem)?.into_inner())
}

/// The request in a message. Its id is computed here: what is signed is what was read.
pub(super) fn asked(message: &v1::TrainingRequest, id: RequestId) -> Result<Asked> {
    let asked = Asked::stored(&message.request_json);
    if asked.id() != id {
        return Err(Problem::internal(format!("the node sent request {} instead of {id}", asked.id())));
    }
    Ok(asked)
}

/// A state in lower case, such as `approved`.
pub(super) fn state(message: &v1::TrainingRequest) -> String {
    message.state().as_str_name().trim_start_matches("REQUEST_STATE_").to_lowercase()
}

/// Fails if fewer accounts take part than are wanted.
pub(super) fn enough_participants(members: usize, least: usize) -> Result<()> {
    if members >= least {
        return Ok(());
    }
    let text = format!(
        "{members} accounts take part, at least {least} are wanted: decline, or allow fewer with --least-participants"
    );
    Err(Problem::new(Reason::NotAllowed, text))
}

/// Consents to a request and approves it; `with` has what goes along with the signature.
pub(super) async fn approve(
    client: &Client,
    id: RequestId,
    with: v1::ApproveTrainingRequest,
) -> Result<v1::TrainingRequest> {
    let prepare = v1::PrepareConsentRequest { id: id.to_vec() };
    let keys = client.trainings().prepare_consent(prepare).await.map_err(problem)?.into_inner();
    let mask_key: Hex<32> = field("mask_key", &keys.mask_key)?;
    let consent = Consent::sign(client.key()?, id, mask_key, field("answer_key", &keys.answer_key)?)?;
    let approve = v1::ApproveTrainingRequest { id: id.to_vec(), signature: consent.signature.0, ..with };
    Ok(client.trainings().approve_training(approve).await.map_err(problem)?.into_inner())
}
