//! The ERC-20 token of all sessions.

use alloy::primitives::{Address, B256, U256};

use crate::abi::{IStandard, ITestToken as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::{ChainError, Result};
use crate::signing::SignedPermit;

impl Contracts {
    /// Mints test tokens; fails at once if the deployment uses a real token.
    pub fn mint(&self, to: Address, amount: U256) -> Result<Call<Abi::mintCall, ()>> {
        if !self.deployment.test_token {
            return Err(ChainError::NoTestToken);
        }
        let action = format!("mint {amount} test token units for {to}");
        Ok(self.call(self.token_at(), action, &Abi::mintCall { to, amount }, |e| e.none()))
    }

    /// Allows the escrow contract to take `amount` of the sender's tokens.
    pub fn approve_escrow(&self, amount: U256) -> Call<Abi::approveCall, ()> {
        let call = Abi::approveCall { spender: self.escrow_at(), amount };
        self.call(self.token_at(), format!("approve {amount} token units for the escrow"), &call, |e| e.none())
    }

    /// Lets the escrow contract take `amount` of a holder's tokens, by the holder's permit; anybody may submit it.
    pub fn bring_permit(
        &self,
        holder: Address,
        amount: U256,
        permit: &SignedPermit,
    ) -> Call<IStandard::permitCall, ()> {
        let (r, s, v) = permit.parts();
        let spender = self.escrow_at();
        let call = IStandard::permitCall { holder, spender, value: amount, deadline: permit.deadline, v, r, s };
        self.call(self.token_at(), format!("submit the permit of {holder}"), &call, |e| e.none())
    }

    /// Transfers tokens.
    pub fn transfer(&self, to: Address, amount: U256) -> Call<Abi::transferCall, ()> {
        let action = format!("send {amount} token units to {to}");
        self.call(self.token_at(), action, &Abi::transferCall { to, amount }, |e| e.none())
    }

    /// Token balance of an account.
    pub async fn token_balance(&self, account: Address) -> Result<U256> {
        self.chain.read(self.token_at(), &Abi::balanceOfCall { account }).await
    }

    /// Token balances of several accounts, in the given order.
    pub async fn token_balances(&self, accounts: &[Address]) -> Result<Vec<U256>> {
        let mut balances = Vec::with_capacity(accounts.len());
        for account in accounts {
            balances.push(self.token_balance(*account).await?);
        }
        Ok(balances)
    }

    /// Allowance of the escrow contract from an account.
    pub async fn escrow_allowance(&self, owner: Address) -> Result<U256> {
        let call = Abi::allowanceCall { owner, spender: self.escrow_at() };
        self.chain.read_newest(self.token_at(), &call).await
    }

    pub(crate) async fn token_nonce(&self, owner: Address) -> Result<U256> {
        self.chain.read_newest(self.token_at(), &Abi::noncesCall { owner }).await
    }

    pub(crate) async fn token_separator(&self) -> Result<B256> {
        self.chain.read(self.token_at(), &Abi::DOMAIN_SEPARATORCall {}).await
    }

    fn token_at(&self) -> Address {
        self.deployment.token.address
    }
}
