//! The ERC-20 of all sessions.

use alloy::primitives::{Address, B256, U256};

use crate::abi::ITestToken as Abi;
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::{ChainError, Result};

impl Contracts {
    /// Mints test tokens; fails at once if the deployment's token is a real one.
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

    /// Sends tokens.
    pub fn transfer(&self, to: Address, amount: U256) -> Call<Abi::transferCall, ()> {
        let action = format!("send {amount} token units to {to}");
        self.call(self.token_at(), action, &Abi::transferCall { to, amount }, |e| e.none())
    }

    /// Tokens of an account.
    pub async fn token_balance(&self, account: Address) -> Result<U256> {
        self.chain.read(self.token_at(), &Abi::balanceOfCall { account }).await
    }

    /// Tokens of several accounts, in their order.
    pub async fn token_balances(&self, accounts: &[Address]) -> Result<Vec<U256>> {
        let mut balances = Vec::with_capacity(accounts.len());
        for account in accounts {
            balances.push(self.token_balance(*account).await?);
        }
        Ok(balances)
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
