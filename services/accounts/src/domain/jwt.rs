//! Access tokens: JWTs signed with Ed25519, and with nothing else. The provider below knows no
//! other algorithm, so a token cannot choose one.
//!
//! The time is checked here against the clock that is passed in; the library would read its own.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use medusa_types::{Role, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// Who tokens are for.
const AUDIENCE: &str = "medusa";
/// Clocks may differ so much.
const LEEWAY_SECONDS: i64 = 30;
/// Bytes of a token that are looked at.
const TOKEN_MAX: usize = 4_096;

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    roles: Vec<Role>,
    iat: i64,
    exp: i64,
}

/// Signs and reads access tokens.
pub(crate) struct Jwt {
    issuer: String,
    life_seconds: u32,
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

impl Jwt {
    /// With this secret key.
    pub(crate) fn new(issuer: String, secret: &[u8; 32], life_seconds: u32) -> Self {
        // Only the first of a process is installed; there is no other provider in this program.
        let _installed_before = PROVIDER.install_default();
        let public = SigningKey::from_bytes(secret).verifying_key();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self {
            issuer,
            life_seconds,
            sign: EncodingKey::from_ed_der(secret),
            verify: DecodingKey::from_ed_der(public.as_bytes()),
            validation,
        }
    }

    /// A token for this person.
    pub(crate) fn issue(
        &self,
        user: UserId,
        roles: &[Role],
        now: Timestamp,
    ) -> Result<String, Error> {
        let iat = now.to_utc().unix_timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            roles: roles.to_vec(),
            iat,
            exp: iat.saturating_add(i64::from(self.life_seconds)),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.sign)
    }

    /// Who holds this token and what they may do, if it is valid now.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<(UserId, Vec<Role>)> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.verify, &self.validation).ok()?;
        let Claims { sub, roles, iat, exp, .. } = data.claims;
        let now = now.to_utc().unix_timestamp();
        let begun = iat <= now.saturating_add(LEEWAY_SECONDS);
        let alive = now < exp.saturating_add(LEEWAY_SECONDS);
        (begun && alive).then_some((sub, roles))
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Ed25519Signer::new(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Ed25519Verifier::new(*algorithm, key)?)),
    // Only for keys in JWK form, which are not used.
    key_utils: KeyUtils::new_unimplemented(),
};

fn only_eddsa(algorithm: Algorithm) -> Result<(), Error> {
    if algorithm == Algorithm::EdDSA { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

fn key_bytes(bytes: &[u8]) -> Result<&[u8; 32], Error> {
    bytes.try_into().map_err(|_bad| ErrorKind::InvalidEddsaKey.into())
}

struct Ed25519Signer(SigningKey);

impl Ed25519Signer {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, Error> {
        only_eddsa(algorithm)?;
        Ok(Self(SigningKey::from_bytes(key_bytes(key.as_bytes())?)))
    }
}

impl signature::Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl Ed25519Verifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        only_eddsa(algorithm)?;
        let key = VerifyingKey::from_bytes(key_bytes(key.try_get_as_bytes()?)?);
        key.map(Self).map_err(|_bad| ErrorKind::InvalidEddsaKey.into())
    }
}

impl signature::Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let signature = Signature::from_slice(signature).map_err(|_bad| signature::Error::new())?;
        self.0.verify_strict(message, &signature).map_err(|_bad| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use medusa_types::Uuid;
    use serde_json::{Value, json};

    use super::*;

    const KEY: [u8; 32] = [9; 32];
    const USER: UserId = UserId(Uuid::from_u128(7));

    fn jwt() -> Jwt {
        Jwt::new("https://medusa.test".into(), &KEY, 600)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus_ms(seconds * 1_000)
    }

    /// A token with any header and claims, signed with the right key.
    fn signed(header: &Value, claims: &str) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(header.to_string()), part(claims.to_owned()));
        let signature = SigningKey::from_bytes(&KEY).sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn good() -> Value {
        json!({
            "iss": "https://medusa.test", "aud": "medusa", "sub": USER, "roles": ["consumer"],
            "iat": 1_800_000_000, "exp": 1_800_000_600,
        })
    }

    #[test]
    fn a_token_says_who_and_what_until_it_ends() {
        let token = jwt().issue(USER, &[Role::Consumer, Role::Admin], at(0)).unwrap();
        let known = Some((USER, vec![Role::Consumer, Role::Admin]));
        assert_eq!(jwt().read(&token, at(0)), known);
        assert_eq!(jwt().read(&token, at(629)), known);
        assert_eq!(jwt().read(&token, at(630)), None);
        assert_eq!(jwt().read(&token, at(-31)), None);
    }

    #[test]
    fn a_token_of_another_key_issuer_or_a_changed_one_is_refused() {
        let token = jwt().issue(USER, &[Role::Consumer], at(0)).unwrap();
        let other_key = Jwt::new("https://medusa.test".into(), &[8; 32], 600);
        assert_eq!(other_key.read(&token, at(0)), None);
        let other_issuer = Jwt::new("https://other.test".into(), &KEY, 600);
        assert_eq!(other_issuer.read(&token, at(0)), None);
        let parts: Vec<&str> = token.split('.').collect();
        let admin = URL_SAFE_NO_PAD.encode(good().to_string().replace("consumer", "admin"));
        assert_eq!(jwt().read(&format!("{}.{admin}.{}", parts[0], parts[2]), at(0)), None);
        assert_eq!(jwt().read(&format!("{}.{}.", parts[0], parts[1]), at(0)), None);
    }

    #[test]
    fn only_eddsa_is_read() {
        let good = good().to_string();
        assert!(jwt().read(&signed(&json!({"alg": "EdDSA"}), &good), at(0)).is_some());
        for alg in ["none", "None", "HS256", "RS256", "ES256", "eddsa", ""] {
            let token = signed(&json!({"alg": alg}), &good);
            assert_eq!(jwt().read(&token, at(0)), None, "{alg}");
            let unsigned = token.rsplit_once('.').unwrap().0;
            assert_eq!(jwt().read(&format!("{unsigned}."), at(0)), None, "{alg}");
        }
    }

    #[test]
    fn every_claim_has_to_be_there_and_right() {
        let header = json!({"alg": "EdDSA"});
        let wrong = [
            ("aud", json!("other")),
            ("aud", json!(["medusa"])),
            ("iss", json!("https://other.test")),
            ("sub", json!("job_00000000000000000000000000000007")),
            ("exp", json!("1800000600")),
            ("exp", json!(1_800_000_600.5)),
            ("exp", json!(-1)),
            ("exp", json!(1_799_999_000)),
            ("iat", json!(1_900_000_000)),
            ("roles", json!(["root"])),
        ];
        for (claim, value) in wrong {
            let mut claims = good();
            claims[claim] = value.clone();
            let token = signed(&header, &claims.to_string());
            assert_eq!(jwt().read(&token, at(0)), None, "{claim} = {value}");
        }
        for claim in ["aud", "iss", "sub", "exp", "iat", "roles"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(jwt().read(&signed(&header, &claims.to_string()), at(0)), None, "{claim}");
        }
        let twice = good().to_string().replacen('{', r#"{"sub":"x","#, 1);
        assert_eq!(jwt().read(&signed(&header, &twice), at(0)), None);
    }

    #[test]
    fn nonsense_and_endless_tokens_are_refused() {
        for text in ["", ".", "..", "a.b.c", "a.b.c.d", "\u{0}"] {
            assert_eq!(jwt().read(text, at(0)), None, "{text}");
        }
        let mut claims = good();
        claims["pad"] = json!("x".repeat(5_000));
        let token = signed(&json!({"alg": "EdDSA"}), &claims.to_string());
        assert_eq!(jwt().read(&token, at(0)), None);
    }
}
