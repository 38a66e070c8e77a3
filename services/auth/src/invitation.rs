//! Invitations: who is asked to join, and the token that proves it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use leadline_runtime::{
    caller::Role,
    id_type,
    ids::{UserId, WorkspaceId},
    time::Millis,
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{account::Email, session::seal};

id_type!(InvitationId, "An invitation.");

/// How long an invitation can be accepted.
pub const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes of a token: invitation, seal.
const TOKEN: usize = 16 + 32;

/// An invitation into a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// Who is invited.
    pub email: Email,
    /// As what.
    pub role: Role,
    /// Who invited them.
    pub created_by: UserId,
    /// When.
    pub created_at: Millis,
    /// Until when it can be accepted.
    pub expires_at: Millis,
    /// What became of it.
    pub state: State,
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Open,
    /// Somebody joined with it.
    Accepted,
    /// It was taken back, or replaced by a newer one for the same address.
    Withdrawn,
}

impl State {
    /// As the stores name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Accepted, Self::Withdrawn].into_iter().find(|state| state.name() == name)
    }
}

impl Invitation {
    /// Whether it can be accepted.
    #[must_use]
    pub fn is_open(&self, now: Millis) -> bool {
        self.state == State::Open && now < self.expires_at
    }
}

/// Makes and recognises the tokens of invitations. They are not stored: an id and its seal.
#[derive(Clone)]
pub struct InvitationTokens {
    keys: Arc<[[u8; 32]]>,
}

impl std::fmt::Debug for InvitationTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitationTokens(…)")
    }
}

impl InvitationTokens {
    /// With these keys; the first one seals, all are recognised.
    #[must_use]
    pub fn new(keys: Arc<[[u8; 32]]>) -> Self {
        Self { keys }
    }

    /// The token of an invitation, for whoever made it.
    #[must_use]
    pub fn issue(&self, invitation: InvitationId) -> String {
        let mut bytes = [0; TOKEN];
        bytes[..16].copy_from_slice(invitation.uuid().as_bytes());
        let seal = seal(self.keys.first().unwrap_or(&[0; 32]), &bytes[..16]);
        bytes[16..].copy_from_slice(&seal);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The invitation that a token stands for; `None` for one that this service did not make.
    #[must_use]
    pub fn open(&self, token: &str) -> Option<InvitationId> {
        if token.len() != TOKEN * 4 / 3 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, given) = bytes.split_at_checked(16)?;
        let genuine = self.keys.iter().any(|key| seal(key, id).ct_eq(given).into());
        if genuine { Uuid::from_slice(id).ok().map(InvitationId::from) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_opens_its_own_invitation_and_no_other() {
        let tokens = InvitationTokens::new(Arc::new([[1; 32]]));
        let (id, other) = (InvitationId::new(), InvitationId::new());
        let token = tokens.issue(id);
        assert_eq!(tokens.open(&token), Some(id));
        assert_eq!(tokens.issue(id), token);
        assert_ne!(tokens.issue(other), token);
        assert_eq!(InvitationTokens::new(Arc::new([[2; 32]])).open(&token), None);
        assert_eq!(InvitationTokens::new(Arc::new([[2; 32], [1; 32]])).open(&token), Some(id));
    }

    proptest! {
        #[test]
        fn whatever_comes_as_a_token_is_read_without_panic(text in any::<String>(), bytes in any::<[u8; TOKEN]>()) {
            let tokens = InvitationTokens::new(Arc::new([[1; 32]]));
            prop_assert_eq!(tokens.open(&text), None);
            prop_assert_eq!(tokens.open(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }
}
