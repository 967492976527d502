//! Randomness is an argument: ids and secrets come from here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Makes ids and secrets.
#[derive(Clone)]
pub struct Random(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl Random {
    /// The operating system's generator, behind version-7 ids that sort by time.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that draws ids")]
        Self(Arc::new(Uuid::now_v7))
    }

    /// A new id that sorts after earlier ones.
    #[must_use]
    pub fn id(&self) -> Uuid {
        (self.0)()
    }

    /// 32 secret bytes.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        // Two random ids of version 4 carry 244 random bits.
        #[expect(clippy::disallowed_methods, reason = "the one place that draws secrets")]
        let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
        let mut out = [0; 32];
        for (slot, byte) in out.iter_mut().zip(a.as_bytes().iter().chain(b.as_bytes())) {
            *slot = *byte;
        }
        out
    }

    /// A secret as text for headers and cookies, 43 characters.
    #[must_use]
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secret())
    }
}
