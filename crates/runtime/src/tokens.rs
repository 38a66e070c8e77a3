//! Access tokens: EdDSA over Ed25519, algorithm, issuer and audience pinned (RFC 8725).

mod keys;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey, pkcs8::DecodePrivateKey};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{Error as SignatureError, Signer, Verifier as SignatureVerifier},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;

use self::keys::{Ask, Keys, every_replica};
use crate::{
    caller::{Caller, Origin, Role},
    ids::{parse_uuid, time_of},
    refusal::Refusal,
    revoked::Revocations,
    route::Route,
    time::Millis,
};

/// The life of an access token.
pub const ACCESS_LIFE: Duration = Duration::from_secs(15 * 60);
/// `iss` of every token.
pub const ISSUER: &str = "leadline";
/// `aud` of every token.
pub const AUDIENCE: &str = "leadline-api";
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 5;
/// How many verified tokens are remembered: a verification costs some 50 µs.
const REMEMBERED: usize = 20_000;
/// A token longer than this is not looked at.
const LONGEST: usize = 4096;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Claims {
    /// Issuer: [`ISSUER`].
    pub iss: String,
    /// Audience: [`AUDIENCE`].
    pub aud: String,
    /// The user.
    pub sub: String,
    /// The workspace.
    pub wid: String,
    /// The role in it.
    pub role: String,
    /// The session.
    pub sid: String,
    /// Issued at, in seconds since the epoch.
    pub iat: i64,
    /// Good until, in seconds since the epoch.
    pub exp: i64,
    /// The token's own id: a UUIDv7 whose time is the time of issue in milliseconds.
    pub jti: String,
}

/// Makes this crate's Ed25519 the one that `jsonwebtoken` uses. Called by whatever signs or verifies; once is enough.
pub fn install_crypto() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: signer,
        verifier_factory: verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    static DONE: OnceLock<()> = OnceLock::new();
    // A second installation in one process is refused by the crate and does no harm.
    DONE.get_or_init(|| {
        let _ = PROVIDER.install_default();
    });
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    pinned(*algorithm)?;
    let key = SigningKey::from_pkcs8_der(key.as_bytes()).map_err(|_| ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(Ed25519Signer(key)))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    pinned(*algorithm)?;
    let bytes = <[u8; 32]>::try_from(key.try_get_as_bytes()?).map_err(|_| ErrorKind::InvalidEddsaKey)?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(Ed25519Verifier(key)))
}

fn pinned(algorithm: Algorithm) -> Result<(), Error> {
    if algorithm == Algorithm::EdDSA { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Ed25519Signer(SigningKey);

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl SignatureVerifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let signature = Signature::from_slice(signature).map_err(|_| SignatureError::new())?;
        self.0.verify_strict(message, &signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

/// A JWK set (RFC 7517) as the auth service publishes it.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, base64url.
    pub x: String,
    /// Its name in the tokens' headers.
    pub kid: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl Jwk {
    /// The description of a public key of 32 bytes.
    #[must_use]
    pub fn new(kid: &str, public: &[u8; 32]) -> Self {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(public),
            kid: kid.to_owned(),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
        }
    }
}

/// Turns a bearer token into a [`Caller`]. Clones share keys and memory.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Keys,
    revoked: Revocations,
    validation: Validation,
    /// Verified tokens by their hash, so that none is kept in memory as it is.
    verified: Mutex<HashMap<[u8; 32], Arc<Verified>>>,
}

/// What a token said when its signature was checked.
struct Verified {
    caller: Caller,
    issued: Millis,
    expires: i64,
}

impl Verifier {
    /// One that asks the auth service for its keys when it needs them.
    #[must_use]
    pub fn remote(auth: Route, revoked: Revocations) -> Self {
        Self::build(Some(every_replica(auth)), revoked, &Jwks::default())
    }

    /// One that knows the keys: for the auth service itself, and for tests.
    #[must_use]
    pub fn fixed(jwks: &Jwks, revoked: Revocations) -> Self {
        Self::build(None, revoked, jwks)
    }

    fn build(ask: Option<Ask>, revoked: Revocations, jwks: &Jwks) -> Self {
        install_crypto();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let keys = Keys::new(jwks, ask);
        Self { inner: Arc::new(Inner { keys, revoked, validation, verified: Mutex::default() }) }
    }

    /// The list of void tokens that it honours.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.inner.revoked
    }

    /// Who makes this call.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] without a good token, [`Refusal::Unavailable`] while keys or revocations are not known.
    pub async fn admit(&self, metadata: &MetadataMap) -> Result<Caller, Refusal> {
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
        self.admit_header(header, Origin::of(metadata)).await
    }

    /// The same for the value of an `Authorization` header.
    ///
    /// # Errors
    /// As [`Verifier::admit`].
    pub async fn admit_header(&self, header: Option<&str>, origin: Origin) -> Result<Caller, Refusal> {
        let refuse = |why: &str| Refusal::Unauthenticated(why.to_owned());
        let header = header.ok_or_else(|| refuse("send an access token as `Authorization: Bearer …`"))?;
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| refuse("the Authorization header is not `Bearer …`"))?;
        if token.is_empty() || token.len() > LONGEST {
            return Err(refuse("the access token is not valid"));
        }
        if !self.inner.revoked.is_loaded() {
            return Err(Refusal::Unavailable("sign-ins can't be checked yet: try again".to_owned()));
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let verified = match self.remembered(&hash) {
            Some(verified) => verified,
            None => self.remember(hash, self.verify(token).await?),
        };
        if Millis::now().0 / 1000 > verified.expires + LEEWAY.cast_signed() {
            return Err(refuse("the access token has run out: refresh it"));
        }
        let known = &verified.caller;
        if self.inner.revoked.void(known.session, known.user, known.workspace, verified.issued) {
            return Err(refuse("the access token is void: sign in again or refresh it"));
        }
        Ok(Caller { origin, ..known.clone() })
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Arc<Verified>> {
        self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn remember(&self, hash: [u8; 32], verified: Verified) -> Arc<Verified> {
        let verified = Arc::new(verified);
        let mut known = self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            let now = Millis::now().0 / 1000;
            known.retain(|_, token| token.expires > now);
            if known.len() >= REMEMBERED {
                known.clear();
            }
        }
        known.insert(hash, verified.clone());
        verified
    }

    async fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        let refuse = || Refusal::Unauthenticated("the access token is not valid: sign in again".to_owned());
        let header = jsonwebtoken::decode_header(token).map_err(|_| refuse())?;
        if header.alg != Algorithm::EdDSA {
            return Err(refuse());
        }
        let kid = header.kid.ok_or_else(refuse)?;
        let key = self.inner.keys.find(&kid).await?.ok_or_else(refuse)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.inner.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => {
                    Refusal::Unauthenticated("the access token has run out: refresh it".to_owned())
                }
                _ => refuse(),
            })?
            .claims;
        let id = |text: &str| parse_uuid(text).map_err(|_| refuse());
        Ok(Verified {
            caller: Caller {
                user: id(&claims.sub)?.into(),
                workspace: id(&claims.wid)?.into(),
                role: Role::parse(&claims.role).ok_or_else(refuse)?,
                session: id(&claims.sid)?.into(),
                expires: Millis(claims.exp.saturating_mul(1000)),
                origin: Origin::default(),
                token: token.into(),
            },
            issued: time_of(id(&claims.jti)?).ok_or_else(refuse)?,
            expires: claims.exp,
        })
    }
}

/// A token signed with a key in PKCS #8 (DER).
///
/// # Errors
/// If the key is not an Ed25519 key.
pub fn sign(claims: &Claims, kid: &str, pkcs8: &[u8]) -> Result<String, Error> {
    install_crypto();
    let mut header = jsonwebtoken::Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(pkcs8))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::EncodePrivateKey;

    use super::*;
    use crate::ids::{SessionId, UserId, WorkspaceId, new_uuid};

    struct Key {
        pkcs8: Vec<u8>,
        public: [u8; 32],
    }

    fn key(seed: u8) -> Key {
        let key = SigningKey::from_bytes(&[seed; 32]);
        Key { pkcs8: key.to_pkcs8_der().unwrap().as_bytes().to_vec(), public: key.verifying_key().to_bytes() }
    }

    fn claims() -> Claims {
        let now = Millis::now().0 / 1000;
        Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: UserId::new().to_string(),
            wid: WorkspaceId::new().to_string(),
            role: "member".into(),
            sid: SessionId::new().to_string(),
            iat: now,
            exp: now + 900,
            jti: new_uuid().to_string(),
        }
    }

    fn verifier_of(key: &Key) -> Verifier {
        let revoked = Revocations::new();
        revoked.set_loaded();
        Verifier::fixed(&Jwks { keys: vec![Jwk::new("k1", &key.public)] }, revoked)
    }

    async fn refused(verifier: &Verifier, token: &str) -> bool {
        let header = format!("Bearer {token}");
        matches!(
            verifier.admit_header(Some(&header), Origin::default()).await,
            Err(Refusal::Unauthenticated(_))
        )
    }

    #[tokio::test]
    async fn a_good_token_names_its_caller() {
        let key = key(1);
        let claims = claims();
        let token = sign(&claims, "k1", &key.pkcs8).unwrap();
        let caller = verifier_of(&key)
            .admit_header(Some(&format!("Bearer {token}")), Origin::default())
            .await
            .unwrap();
        assert_eq!(caller.user.to_string(), claims.sub);
        assert_eq!(caller.workspace.to_string(), claims.wid);
        assert_eq!(caller.role, Role::Member);
        assert_eq!(caller.expires, Millis(claims.exp * 1000));
    }

    #[tokio::test]
    async fn a_token_with_any_wrong_claim_is_refused() {
        let key = key(1);
        let verifier = verifier_of(&key);
        let now = Millis::now().0 / 1000;
        let wrong: [fn(&mut Claims, i64); 6] = [
            |c, _| c.iss = "other".into(),
            |c, _| c.aud = "other".into(),
            |c, now| c.exp = now - 60,
            |c, _| c.sub = "x".into(),
            |c, _| c.role = "root".into(),
            |c, _| c.jti = String::new(),
        ];
        for spoil in wrong {
            let mut claims = claims();
            spoil(&mut claims, now);
            assert!(refused(&verifier, &sign(&claims, "k1", &key.pkcs8).unwrap()).await, "{claims:?}");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_key_or_changed_on_the_way_is_refused() {
        let good = key(1);
        let verifier = verifier_of(&good);
        assert!(refused(&verifier, &sign(&claims(), "k1", &key(2).pkcs8).unwrap()).await);
        assert!(refused(&verifier, &sign(&claims(), "k2", &good.pkcs8).unwrap()).await);
        assert!(refused(&verifier, &sign(&claims(), "../../k1", &good.pkcs8).unwrap()).await);

        let token = sign(&claims(), "k1", &good.pkcs8).unwrap();
        let other = sign(&claims(), "k1", &good.pkcs8).unwrap();
        let (head, rest) = token.split_once('.').unwrap();
        let signature = rest.split_once('.').unwrap().1;
        let payload = other.split('.').nth(1).unwrap();
        assert!(refused(&verifier, &format!("{head}.{payload}.{signature}")).await);
        // {"alg":"none","kid":"k1"}
        assert!(refused(&verifier, &format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{payload}.")).await);
        // {"alg":"HS256","kid":"k1"}
        assert!(
            refused(&verifier, &format!("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.{payload}.{signature}")).await
        );
    }

    #[tokio::test]
    async fn a_remembered_token_is_refused_once_its_session_has_ended() {
        let key = key(1);
        let verifier = verifier_of(&key);
        let claims = claims();
        let token = sign(&claims, "k1", &key.pkcs8).unwrap();
        assert!(!refused(&verifier, &token).await);
        verifier.revocations().add(&[leadline_proto::auth::Revocation {
            session_id: claims.sid.clone(),
            before_ms: Millis::now().0,
            ..Default::default()
        }]);
        assert!(refused(&verifier, &token).await);
    }

    #[tokio::test]
    async fn nobody_is_admitted_before_revocations_are_known() {
        let key = key(1);
        let verifier = Verifier::fixed(&Jwks { keys: vec![Jwk::new("k1", &key.public)] }, Revocations::new());
        let header = format!("Bearer {}", sign(&claims(), "k1", &key.pkcs8).unwrap());
        let refusal = verifier.admit_header(Some(&header), Origin::default()).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Unavailable(_)));
    }
}
