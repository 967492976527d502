//! Answers who is asking, for every route of every service.

use medusa_platform::auth::BoxFuture;
use medusa_platform::{AgentPrincipal, ApiError, Authenticator, Principal, Via};

use crate::Accounts;

impl Authenticator for Accounts {
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        let known = self.read_access(token);
        let principal = known.map(|(user, roles)| Principal { user, roles, via: Via::Bearer });
        Box::pin(std::future::ready(Ok(principal)))
    }

    fn cookie<'a>(&'a self, value: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        Box::pin(async move {
            let known = self.session(value).await?;
            Ok(known.map(|(principal, _)| principal))
        })
    }

    fn agent<'a>(
        &'a self,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<AgentPrincipal>, ApiError>> {
        Box::pin(async move { Ok(self.agent_of(key).await?) })
    }
}
