//! `LoginService`.

use http::header::AUTHORIZATION;
use tonic::{Request, Response, Status};
use tribute_problem::{Problem, Reason};
use tribute_proto::v1;

use crate::auth::accounts::Accounts;
use crate::auth::api_keys::ApiKeys;
use crate::auth::caller;
use crate::auth::tokens::{bearer, Tokens};

pub(crate) struct LoginRpc {
    pub(crate) tokens: Tokens,
    pub(crate) accounts: Accounts,
    pub(crate) keys: ApiKeys,
}

#[tonic::async_trait]
impl v1::login_service_server::LoginService for LoginRpc {
    async fn get_challenge(&self, _: Request<v1::GetChallengeRequest>) -> Result<Response<v1::Challenge>, Status> {
        let (nonce, now) = self.tokens.challenge()?;
        Ok(Response::new(v1::Challenge { nonce, now }))
    }

    async fn login(&self, request: Request<v1::LoginRequest>) -> Result<Response<v1::LoginResponse>, Status> {
        let r = request.into_inner();
        let admits = |account| self.accounts.admit(account);
        let (token, expires) = self.tokens.login(&r.message, &r.signature, admits).await?;
        Ok(Response::new(v1::LoginResponse { token, expires }))
    }

    async fn logout(&self, request: Request<v1::LogoutRequest>) -> Result<Response<v1::LogoutResponse>, Status> {
        let header = request.metadata().get(AUTHORIZATION.as_str()).and_then(|v| v.to_str().ok());
        let header = header.ok_or_else(|| Problem::new(Reason::BadToken, "authorization: there is no token to end"))?;
        self.tokens.end(bearer(header)?).await?;
        Ok(Response::new(v1::LogoutResponse {}))
    }

    async fn create_key(
        &self,
        request: Request<v1::CreateKeyRequest>,
    ) -> Result<Response<v1::CreateKeyResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let (key, expires) = self.keys.create(caller, &r.name, r.role(), r.days).await?;
        Ok(Response::new(v1::CreateKeyResponse { key, expires }))
    }

    async fn list_keys(&self, request: Request<v1::ListKeysRequest>) -> Result<Response<v1::ListKeysResponse>, Status> {
        let keys = self.keys.list(caller(&request)?).await?;
        Ok(Response::new(v1::ListKeysResponse { keys }))
    }

    async fn revoke_key(
        &self,
        request: Request<v1::RevokeKeyRequest>,
    ) -> Result<Response<v1::RevokeKeyResponse>, Status> {
        let caller = caller(&request)?;
        self.keys.revoke(caller, &request.into_inner().name).await?;
        Ok(Response::new(v1::RevokeKeyResponse {}))
    }
}
