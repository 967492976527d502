//! The operator's own routes, which take the key of the server's machine instead of a login.

use std::time::Duration;

use medusa_api::Problem;
use reqwest::Method;
use serde::Serialize;

use crate::http::DEADLINE;
use crate::{Client, ClientError};

/// Posts to a route of the operator, once. A refusal is an answer here: `Some` problem.
///
/// # Errors
/// [`ClientError`] when the server could not be asked or its answer is not understood.
pub async fn post_as_operator(
    base_url: &str,
    path: &str,
    token: &str,
    body: &impl Serialize,
) -> Result<Option<Problem>, ClientError> {
    post_slowly_as_operator(base_url, path, token, body, DEADLINE).await
}

/// The same for work that takes longer than a usual call, like compiling a large module.
///
/// # Errors
/// As [`post_as_operator`].
pub async fn post_slowly_as_operator(
    base_url: &str,
    path: &str,
    token: &str,
    body: &impl Serialize,
    deadline: Duration,
) -> Result<Option<Problem>, ClientError> {
    let client = Client::new(base_url, Some(token.to_owned()))?.with_deadline(deadline);
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match client.whole(&client.call(Method::POST, &path).json(body)).await {
        Ok(_) => Ok(None),
        Err(ClientError::Problem(problem)) => Ok(Some(*problem)),
        Err(error) => Err(error),
    }
}
