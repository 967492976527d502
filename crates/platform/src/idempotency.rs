//! The caller's own id for a write: the header `Idempotency-Key`.

use actix_web::HttpRequest;

use crate::ApiError;

/// The caller's id for a write.
///
/// # Errors
/// `platform.key_missing` when it is absent, `platform.key_refused` when it is not 1 to 255 visible
/// characters.
pub fn idempotency_key(req: &HttpRequest) -> Result<String, ApiError> {
    let Some(value) = req.headers().get("Idempotency-Key") else {
        return Err(ApiError::new(
            400,
            "platform.key_missing",
            "no idempotency key",
            "send an Idempotency-Key header with a fresh random value, so that a repeated request takes effect once",
        ));
    };
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let detail = "an Idempotency-Key has 1 to 255 visible ASCII characters";
    Err(ApiError::new(400, "platform.key_refused", "bad idempotency key", detail))
}
