//! The keys that tokens are signed with.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes},
};
use leadline_runtime::{
    ids::{SessionId, new_uuid, time_of, uuid_at},
    refusal::Refusal,
    time::Millis,
    tokens::{self, ACCESS_LIFE, AUDIENCE, Claims, ISSUER, Jwk, Jwks},
};
use sha2::{Digest, Sha256};

use crate::{account::Standing, session::seal};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// One or more Ed25519 keys: the first signs, all are published, so that a new key can be put in front of the old one, and the
/// old one taken away when its tokens have run out. Clones share them.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Arc<[Key]>,
}

struct Key {
    /// A short hash of the public key.
    kid: String,
    pkcs8: Vec<u8>,
    key: SigningKey,
}

/// Why keys can't be used. Says nothing of what is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// No key where there must be one.
    #[error("must be one or more Ed25519 private keys in PEM (try: openssl genpkey -algorithm ed25519)")]
    NotAKey,
    /// The file can't be read or written.
    #[error("{0}")]
    File(String),
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.kid)).finish()
    }
}

impl SigningKeys {
    /// Reads PKCS #8 keys in PEM, one after the other.
    ///
    /// # Errors
    /// [`BadKeys::NotAKey`] if there is none, or anything that is not one.
    pub fn parse(pem: &str) -> Result<Self, BadKeys> {
        let mut keys = Vec::new();
        let mut rest = pem;
        while let Some((_, after)) = rest.split_once(BEGIN) {
            let (body, after) = after.split_once(END).ok_or(BadKeys::NotAKey)?;
            let body: String = body.split_whitespace().collect();
            let der = STANDARD.decode(body).map_err(|_| BadKeys::NotAKey)?;
            keys.push(Key::new(SigningKey::from_pkcs8_der(&der).map_err(|_| BadKeys::NotAKey)?)?);
            rest = after;
        }
        if keys.is_empty() { Err(BadKeys::NotAKey) } else { Ok(Self { keys: keys.into() }) }
    }

    /// A key that nobody else has.
    ///
    /// # Errors
    /// [`BadKeys::NotAKey`], which would be a fault of the program.
    pub fn generate() -> Result<Self, BadKeys> {
        let key = Key::new(SigningKey::from_bytes(&rand::random()))?;
        Ok(Self { keys: Arc::new([key]) })
    }

    /// Reads the keys in a file; makes the file, readable by its owner only, if there is none. The caller holds the folder alone.
    ///
    /// # Errors
    /// [`BadKeys`] with what to do about it; a file that is there is never overwritten.
    pub fn load_or_create(path: &Path) -> Result<Self, BadKeys> {
        match std::fs::read_to_string(path) {
            Ok(pem) => Self::parse(&pem).map_err(|_| {
                BadKeys::File(format!(
                    "{} does not hold Ed25519 private keys in PEM: restore it, or move it away to have a new one made (everybody signs in again then)",
                    path.display()
                ))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = Self::generate()?;
                made.write(path).map_err(|error| {
                    BadKeys::File(format!("can't write the signing key {}: {error}", path.display()))
                })?;
                Ok(made)
            }
            Err(error) => {
                Err(BadKeys::File(format!("can't read the signing key {}: {error}", path.display())))
            }
        }
    }

    /// Whole or not at all, whatever happens meanwhile.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_extension("pem.unfinished");
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(self.to_pem().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn to_pem(&self) -> String {
        let mut pem = String::new();
        for key in self.keys.iter() {
            pem.push_str(&format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(&key.pkcs8)));
        }
        pem
    }

    /// The public keys.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        let public = |key: &Key| Jwk::new(&key.kid, &key.key.verifying_key().to_bytes());
        Jwks { keys: self.keys.iter().map(public).collect() }
    }

    /// Secrets for another purpose, one from each key: the first for making, all for recognising.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Arc<[[u8; 32]]> {
        self.keys.iter().map(|key| seal(key.key.as_bytes(), purpose.as_bytes())).collect()
    }

    /// An access token for where somebody stands. `stamp` was made before that was read: should their role change meanwhile, the
    /// token is void.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if it can't be signed.
    pub fn access_token(
        &self,
        standing: &Standing,
        session: SessionId,
        stamp: Stamp,
    ) -> Result<String, Refusal> {
        let issued = Millis::now().0.div_euclid(1000);
        let void_before = standing.void_before.filter(|before| stamp.at < *before);
        let jti = void_before.map_or(stamp.jti, uuid_at);
        let life = i64::try_from(ACCESS_LIFE.as_secs()).unwrap_or_default();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: standing.user.id.to_string(),
            wid: standing.workspace.id.to_string(),
            role: standing.role.name().to_owned(),
            sid: session.to_string(),
            iat: issued,
            exp: issued + life,
            jti: jti.to_string(),
        };
        let key = self.keys.first().ok_or(Refusal::Internal)?;
        tokens::sign(&claims, &key.kid, &key.pkcs8).map_err(Refusal::internal)
    }
}

/// The id and time that an access token will bear.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    jti: uuid::Uuid,
    at: Millis,
}

impl Stamp {
    /// That of now. Make it before reading what the token will say.
    #[must_use]
    pub fn now() -> Self {
        let jti = new_uuid();
        Self { jti, at: time_of(jti).unwrap_or_default() }
    }
}

impl Key {
    fn new(key: SigningKey) -> Result<Self, BadKeys> {
        let public = key.verifying_key().to_bytes();
        // Without the public key, as openssl writes it: some readers know version 1 only.
        let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        let pkcs8 = pair.to_pkcs8_der().map_err(|_| BadKeys::NotAKey)?.as_bytes().to_vec();
        let kid = URL_SAFE_NO_PAD.encode(&Sha256::digest(public)[..9]);
        Ok(Self { kid, pkcs8, key })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use leadline_runtime::{
        caller::{Origin, Role},
        ids::{UserId, WorkspaceId},
        revoked::Revocations,
        tokens::Verifier,
        version::Version,
        zone::Zone,
    };

    use super::*;
    use crate::account::{Email, Name, User, Workspace};

    fn standing(void_before: Option<Millis>) -> Standing {
        let (at, name) = (Millis::now(), Name::parse("Ada").unwrap());
        let email = Email::parse("ada@example.com").unwrap();
        Standing {
            user: User { id: UserId::new(), name: name.clone(), email, created_at: at },
            workspace: Workspace {
                id: WorkspaceId::new(),
                name,
                zone: Zone::UTC,
                created_at: at,
                version: Version::FIRST,
            },
            role: Role::Member,
            void_before,
        }
    }

    #[test]
    fn a_key_that_openssl_made_is_read() {
        let keys = SigningKeys::parse(
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        // RFC 8410, section 10.3, has this very key; its public half is in section 10.1.
        let public = &keys.jwks().keys[0].x;
        assert_eq!(
            STANDARD.encode(URL_SAFE_NO_PAD.decode(public).unwrap()),
            "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
        );
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for bad in ["", "hunter2", BEGIN, &format!("{BEGIN}\nhunter2\n{END}"), &format!("{BEGIN}\n{END}")] {
            let error = SigningKeys::parse(bad).unwrap_err();
            assert_eq!(error, BadKeys::NotAKey);
            assert!(!error.to_string().contains("hunter2"));
        }
        assert!(!format!("{:?}", SigningKeys::generate().unwrap()).contains("PRIVATE"));
    }

    #[tokio::test]
    async fn tokens_of_every_published_key_are_good() {
        let (old, new) = (SigningKeys::generate().unwrap(), SigningKeys::generate().unwrap());
        let both = SigningKeys::parse(&(new.to_pem() + &old.to_pem())).unwrap();
        let revoked = Revocations::new();
        revoked.set_loaded();
        let verifier = Verifier::fixed(&both.jwks(), revoked);
        let standing = standing(None);
        for signer in [&old, &new, &both] {
            let token = signer.access_token(&standing, SessionId::new(), Stamp::now()).unwrap();
            let caller =
                verifier.admit_header(Some(&format!("Bearer {token}")), Origin::default()).await.unwrap();
            assert_eq!((caller.user, caller.role), (standing.user.id, Role::Member));
        }
        assert_eq!(both.derive("x")[0], new.derive("x")[0]);
        assert_eq!(both.derive("x")[1], old.derive("x")[0]);
        assert_ne!(new.derive("x"), new.derive("y"));
    }

    #[tokio::test]
    async fn a_token_made_after_a_change_of_role_is_good_and_one_made_before_is_not() {
        let keys = SigningKeys::generate().unwrap();
        let revoked = Revocations::new();
        revoked.set_loaded();
        let verifier = Verifier::fixed(&keys.jwks(), revoked.clone());
        let void_before = Millis::now().after(std::time::Duration::from_secs(15));
        let (mut old, stamp) = (standing(None), Stamp::now());
        let before = keys.access_token(&old, SessionId::new(), stamp).unwrap();
        revoked.add(&[leadline_proto::auth::Revocation {
            user_id: old.user.id.to_string(),
            workspace_id: old.workspace.id.to_string(),
            before_ms: void_before.0,
            ..Default::default()
        }]);
        old.void_before = Some(void_before);
        let after = keys.access_token(&old, SessionId::new(), Stamp::now()).unwrap();
        let admit = async |token: &str| {
            verifier.admit_header(Some(&format!("Bearer {token}")), Origin::default()).await
        };
        assert!(admit(&before).await.is_err());
        assert!(admit(&after).await.is_ok());
    }

    #[test]
    fn the_file_is_made_once_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.pem");
        let made = SigningKeys::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = SigningKeys::load_or_create(&path).unwrap();
        assert_eq!(made.jwks().keys[0].kid, read.jwks().keys[0].kid);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_cut_off_while_it_was_made_does_no_harm_and_a_broken_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.pem");
        std::fs::write(folder.path().join("signing-key.pem.unfinished"), "half").unwrap();
        SigningKeys::load_or_create(&path).unwrap();
        std::fs::write(&path, "broken").unwrap();
        assert!(matches!(SigningKeys::load_or_create(&path), Err(BadKeys::File(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "broken");
    }
}
