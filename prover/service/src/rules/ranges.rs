//! A participant's node in the search for a schema's ranges: one request, one answer.

use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_federation::wire::consent;
use tribute_federation::{ranges, Answer, Asked, RangesRequest, Refusal};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use super::training::Participants;
use crate::registry::training::RangesAnswer;

impl Participants {
    /// Leaves a request for those of its participants whose node this is, as its owner says.
    pub(super) async fn ask_ranges(
        &self,
        request: &RangesRequest,
        asked: &Asked,
        accounts: &[Vec<u8>],
    ) -> Result<(RequestId, Vec<AccountAddress>)> {
        request.check_program()?;
        let accounts: Vec<AccountAddress> = accounts.iter().map(|a| field("accounts", a)).collect::<Result<_>>()?;
        if accounts.is_empty() {
            return Err(Problem::field("accounts", "name the participants whose node this is"));
        }
        if let Some(other) = accounts.iter().find(|account| request.position(**account).is_none()) {
            return Err(Problem::field("accounts", format!("{other} is no participant of the request")));
        }
        for account in &accounts {
            self.trainings.ask(asked, *account).await?;
        }
        Ok((request.id(), accounts))
    }

    /// Answers a request for ranges, with the identical bytes however often it is asked.
    pub(crate) async fn answer_ranges(&self, caller: AccountAddress, r: v1::AnswerRangesRequest) -> Result<Answer> {
        let row = self.approved_request(caller, &r.id, &r.account).await?.ranges()?;
        row.request.check_program()?;
        let consents = r.consents.iter().map(|c| consent(row.id, c)).collect::<Result<Vec<_>>>()?;
        let same = |kept: RangesAnswer| {
            if kept.consents == consents {
                return Ok(kept.answer);
            }
            let text = format!(
                "{} has answered this request with other consents: an answer is given once, so that no two can be subtracted",
                row.account
            );
            Err(Problem::new(Reason::NotAllowed, text).with("account", row.account))
        };
        if let Some(kept) = self.trainings.ranges_answer(row.id, row.account).await? {
            return same(kept);
        }
        let keys = self.trainings.keys(row.id, row.account).await?;
        // another call may have answered in the meantime
        let Some(numbers) = self.trainings.numbers(row.id, row.account).await? else {
            let kept = self.trainings.ranges_answer(row.id, row.account).await?;
            return same(kept.ok_or_else(|| Problem::from(Refusal::OtherKeys { account: row.account }))?);
        };
        let answer = ranges::answer(&row.request, row.account, &keys, &consents, &numbers)?;
        let kept = RangesAnswer { consents: consents.clone(), answer };
        same(self.trainings.keep_ranges_answer(row.id, row.account, &kept).await?)
    }
}
