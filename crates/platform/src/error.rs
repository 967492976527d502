//! The last step of every refusal: a problem document. Causes of internal errors are logged here,
//! once, and never shown.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use medusa_api::Problem;

/// A refusal on its way to the caller. Boxed, because answers are rarely refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError(pub Box<Problem>);

impl ApiError {
    /// A refusal of this code.
    #[must_use]
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(status, code, title, detail)))
    }

    /// Something broke on our side. The cause goes to the log, not to the caller.
    #[must_use]
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(cause), "a request failed on our side");
        Self::new(
            500,
            "platform.internal",
            "something broke on our side",
            "the request failed on our side and changed nothing that was not confirmed; try again",
        )
    }

    /// The server cannot take this now.
    #[must_use]
    pub fn busy(seconds: u64) -> Self {
        let mut problem = Problem::new(
            503,
            "platform.busy",
            "too busy",
            "the server has too much to do; try again shortly with the same idempotency key",
        );
        problem.retry_after = Some(seconds);
        Self(Box::new(problem))
    }

    /// There is no such thing, or it is not yours: the same answer for both.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "platform.not_found", "not found", format!("there is no such {what}"))
    }

    /// The idempotency key was used for another request.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::new(
            422,
            "platform.key_reused",
            "this key belongs to another request",
            "this Idempotency-Key was used for another request; use a fresh one",
        )
    }

    /// A field was refused.
    #[must_use]
    pub fn field(code: &str, pointer: &str, message: &str) -> Self {
        let mut problem = Problem::new(422, code, "the request was refused", message);
        let field = medusa_api::FieldProblem { pointer: pointer.into(), message: message.into() };
        problem.errors.push(field);
        Self(Box::new(problem))
    }
}

/// An error with its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for ApiError {}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => {
                tracing::warn!(error = %chain(&error), "the database does not answer");
                Self::busy(2)
            }
            // The one character that Postgres keeps in no text.
            sqlx::Error::Database(refused) if refused.code().as_deref() == Some("22021") => {
                Self::new(
                    400,
                    "platform.query_refused",
                    "bad text",
                    "a text of the request has a NUL character; leave it out",
                )
            }
            other => Self::internal(&other),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.0.retry_after {
            answer.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        answer
            .insert_header(ContentType("application/problem+json".parse().unwrap_or(
                // The text above is a media type.
                ContentType::json().0,
            )))
            .body(body)
    }
}
