//! Sessions and their chains of refresh tokens.
//!
//! A refresh token names its session and its place in the session's chain, and is sealed by a key that only this service has:
//! the token of a place is always the same, so that asking twice gives the same successor and never a second chain. The store
//! keeps hashes only.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use leadline_runtime::{
    ids::{SessionId, UserId, WorkspaceId},
    time::Millis,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// How long a session lasts from its last use.
pub const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the last spent token is honoured once more while its successor is unused: an answer was lost, or two tabs asked.
pub const GRACE: Duration = Duration::from_secs(10);
/// The longest user agent that is kept, in code points.
const LONGEST_AGENT: usize = 300;
/// The longest address that is kept, in code points.
const LONGEST_ADDRESS: usize = 64;

/// Bytes of a token: session, place, seal.
const TOKEN: usize = 16 + 4 + 32;

/// Where somebody signs in from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// The address.
    pub address: String,
    /// The user agent.
    pub agent: String,
}

impl Client {
    /// Cuts both to what is kept, and takes control characters out.
    #[must_use]
    pub fn new(address: &str, agent: &str) -> Self {
        let cut = |text: &str, longest| text.chars().filter(|c| !c.is_control()).take(longest).collect();
        Self { address: cut(address, LONGEST_ADDRESS), agent: cut(agent, LONGEST_AGENT) }
    }
}

/// The hash of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl TokenHash {
    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A refresh token. Shown to its owner only.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    bytes: [u8; TOKEN],
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

impl RefreshToken {
    /// Reads a token; `None` for what can't be one. Says nothing of whether it is genuine.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN * 4 / 3 + 1 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self { bytes: bytes.try_into().ok()? })
    }

    /// The token itself, for its owner.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// What the store keeps of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.bytes).into())
    }

    /// The session that it names.
    #[must_use]
    pub fn session(&self) -> SessionId {
        let (id, _) = self.bytes.split_at(16);
        Uuid::from_slice(id).unwrap_or_default().into()
    }

    /// The place in the session's chain that it names.
    #[must_use]
    pub fn place(&self) -> u32 {
        let mut place = [0; 4];
        place.copy_from_slice(&self.bytes[16..20]);
        u32::from_be_bytes(place)
    }
}

/// Makes and recognises refresh tokens.
#[derive(Clone)]
pub struct RefreshTokens {
    /// The first seals, all are recognised.
    keys: Arc<[[u8; 32]]>,
}

impl std::fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshTokens(…)")
    }
}

impl RefreshTokens {
    /// With these keys; the first one seals.
    #[must_use]
    pub fn new(keys: Arc<[[u8; 32]]>) -> Self {
        Self { keys }
    }

    /// The token at a place of a session's chain.
    #[must_use]
    pub fn issue(&self, session: SessionId, place: u32) -> RefreshToken {
        let mut bytes = [0; TOKEN];
        bytes[..16].copy_from_slice(session.uuid().as_bytes());
        bytes[16..20].copy_from_slice(&place.to_be_bytes());
        let seal = seal(self.keys.first().unwrap_or(&[0; 32]), &bytes[..20]);
        bytes[20..].copy_from_slice(&seal);
        RefreshToken { bytes }
    }

    /// Whether this service made it.
    #[must_use]
    pub fn are_genuine(&self, token: &RefreshToken) -> bool {
        let (place, given) = token.bytes.split_at(20);
        self.keys.iter().any(|key| seal(key, place).ct_eq(given).into())
    }
}

/// HMAC-SHA-256.
pub(crate) fn seal(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // A shorter key is filled up with zeros to the block's size (RFC 2104).
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// A session that is about to begin: it is not yet known in which workspace.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Which.
    pub id: SessionId,
    /// From where.
    pub client: Client,
    /// Its first token.
    pub token: TokenHash,
    /// When.
    pub at: Millis,
}

impl NewSession {
    /// With an id of its own.
    #[must_use]
    pub fn new(client: Client, tokens: &RefreshTokens, at: Millis) -> Self {
        let id = SessionId::new();
        Self { id, client, token: tokens.issue(id, 0).hash(), at }
    }

    /// Begins it.
    #[must_use]
    pub fn begin(self, user: UserId, workspace: WorkspaceId) -> Session {
        Session {
            id: self.id,
            user,
            workspace,
            client: self.client,
            created_at: self.at,
            last_used_at: self.at,
            expires_at: self.at.after(LIFE),
            chain: Chain {
                place: 0,
                current: self.token,
                previous: None,
                rotated_at: self.at,
                again_at: None,
            },
            ended_at: None,
        }
    }
}

/// A sign-in and its chain of refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The workspace that its next token is for.
    pub workspace: WorkspaceId,
    /// From where it was last refreshed.
    pub client: Client,
    /// When it began.
    pub created_at: Millis,
    /// When it was last refreshed.
    pub last_used_at: Millis,
    /// When it ends if it is not used.
    pub expires_at: Millis,
    /// Its refresh tokens.
    pub chain: Chain,
    /// When it was ended.
    pub ended_at: Option<Millis>,
}

/// The end of a chain of refresh tokens: all that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many tokens came before the present one.
    pub place: u32,
    /// The token that is good.
    pub current: TokenHash,
    /// The one before it.
    pub previous: Option<TokenHash>,
    /// When that one was spent.
    pub rotated_at: Millis,
    /// When that one was honoured once more, if it was.
    pub again_at: Option<Millis>,
}

/// What becomes of a refresh token that somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It was the good one; its successor is the good one now.
    Spent,
    /// It was spent a moment ago: its successor is given once more.
    Again,
    /// One of many that came at once: refused, and nothing else.
    AtOnce,
    /// It was spent before: somebody has a copy. The session is ended.
    Reused,
    /// Not a token of this session, or the session is over.
    Unknown,
}

impl Session {
    /// Whether it can still be used.
    #[must_use]
    pub fn is_live(&self, now: Millis) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }

    /// Ends it.
    pub fn end(&mut self, now: Millis) {
        self.ended_at.get_or_insert(now);
    }

    /// Makes the next token the good one.
    pub fn rotate(&mut self, tokens: &RefreshTokens, now: Millis) {
        let place = self.chain.place.saturating_add(1);
        self.chain = Chain {
            place,
            current: tokens.issue(self.id, place).hash(),
            previous: Some(self.chain.current),
            rotated_at: now,
            again_at: None,
        };
        self.last_used_at = now;
        self.expires_at = now.after(LIFE);
    }

    /// Shows it a refresh token. `at_once`: the same token was shown by several requests at the same time.
    pub fn show(
        &mut self,
        token: &RefreshToken,
        tokens: &RefreshTokens,
        at_once: bool,
        now: Millis,
    ) -> Shown {
        if !self.is_live(now) || token.session() != self.id {
            return Shown::Unknown;
        }
        let hash = token.hash();
        if hash.is(&self.chain.current) {
            self.rotate(tokens, now);
            return Shown::Spent;
        }
        let is_previous = self.chain.previous.is_some_and(|previous| hash.is(&previous));
        if is_previous && now < self.chain.rotated_at.after(GRACE) {
            if self.chain.again_at.is_none() {
                if !tokens.issue(self.id, self.chain.place).hash().is(&self.chain.current) {
                    // The successor was sealed by a key that is no longer the first: it can't be given again.
                    self.rotate(tokens, now);
                }
                self.chain.again_at = Some(now);
                self.last_used_at = now;
                return Shown::Again;
            }
            if at_once {
                return Shown::AtOnce;
            }
        }
        // Without a genuine seal anybody who knows a session's id could end it.
        if is_previous || (token.place() < self.chain.place && tokens.are_genuine(token)) {
            self.end(now);
            return Shown::Reused;
        }
        Shown::Unknown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(seed: u8) -> RefreshTokens {
        RefreshTokens::new(Arc::new([[seed; 32]]))
    }

    fn begun(tokens: &RefreshTokens) -> (Session, RefreshToken) {
        let new = NewSession::new(Client::new("::1", "test"), tokens, Millis(1_000_000));
        let first = tokens.issue(new.id, 0);
        (new.begin(UserId::new(), WorkspaceId::new()), first)
    }

    fn after(seconds: u64) -> Millis {
        Millis(1_000_000).after(Duration::from_secs(seconds))
    }

    #[test]
    fn each_use_gives_a_new_token_and_thirty_more_days() {
        let tokens = tokens(1);
        let (mut session, mut token) = begun(&tokens);
        for day in 1..100 {
            let now = after(day * 86_400);
            assert_eq!(session.show(&token, &tokens, false, now), Shown::Spent);
            assert_eq!(session.expires_at, now.after(LIFE));
            let next = tokens.issue(session.id, session.chain.place);
            assert_ne!(next, token);
            token = next;
        }
    }

    #[test]
    fn a_lost_answer_can_be_asked_for_once_and_is_the_same() {
        let tokens = tokens(1);
        let (mut session, first) = begun(&tokens);
        assert_eq!(session.show(&first, &tokens, false, after(0)), Shown::Spent);
        let second = tokens.issue(session.id, session.chain.place);
        assert_eq!(session.show(&first, &tokens, false, after(9)), Shown::Again);
        assert_eq!(tokens.issue(session.id, session.chain.place), second);
        assert_eq!(session.show(&second, &tokens, false, after(9)), Shown::Spent);
    }

    #[test]
    fn a_third_use_ends_the_session() {
        let tokens = tokens(1);
        let (mut session, first) = begun(&tokens);
        session.show(&first, &tokens, false, after(0));
        let second = tokens.issue(session.id, session.chain.place);
        session.show(&first, &tokens, false, after(1));
        assert_eq!(session.show(&first, &tokens, false, after(2)), Shown::Reused);
        assert_eq!(session.show(&second, &tokens, false, after(2)), Shown::Unknown);
        assert!(!session.is_live(after(2)));
    }

    #[test]
    fn a_spent_token_ends_the_session_after_ten_seconds() {
        let tokens = tokens(1);
        let (mut session, first) = begun(&tokens);
        session.show(&first, &tokens, false, after(0));
        assert_eq!(session.show(&first, &tokens, true, after(10)), Shown::Reused);
    }

    #[test]
    fn a_spent_token_ends_the_session_once_its_successor_was_used() {
        let tokens = tokens(1);
        let (mut session, first) = begun(&tokens);
        session.show(&first, &tokens, false, after(0));
        let second = tokens.issue(session.id, session.chain.place);
        session.show(&second, &tokens, false, after(1));
        assert_eq!(session.show(&first, &tokens, true, after(2)), Shown::Reused);
    }

    #[test]
    fn many_at_once_neither_end_the_session_nor_fork_it() {
        let tokens = tokens(1);
        let (mut session, first) = begun(&tokens);
        let shown: Vec<Shown> = (0..20).map(|_| session.show(&first, &tokens, true, after(0))).collect();
        assert_eq!(shown[..2], [Shown::Spent, Shown::Again]);
        assert!(shown[2..].iter().all(|shown| *shown == Shown::AtOnce));
        let second = tokens.issue(session.id, session.chain.place);
        assert_eq!(session.show(&second, &tokens, false, after(1)), Shown::Spent);
    }

    #[test]
    fn a_forged_token_can_not_end_a_session() {
        let (ours, theirs) = (tokens(1), tokens(2));
        let (mut session, first) = begun(&ours);
        session.show(&first, &ours, false, after(0));
        for place in 0..3 {
            let forged = theirs.issue(session.id, place);
            assert_eq!(session.show(&forged, &ours, false, after(60)), Shown::Unknown);
        }
        assert!(session.is_live(after(60)));
    }

    #[test]
    fn a_new_key_in_front_keeps_sessions_going() {
        let (old, both) = (tokens(1), RefreshTokens::new(Arc::new([[2; 32], [1; 32]])));
        let (mut session, first) = begun(&old);
        session.show(&first, &old, false, after(0));
        let second = old.issue(session.id, session.chain.place);
        // The lost answer of an older process is asked for again.
        let mut asked_again = session.clone();
        assert_eq!(asked_again.show(&first, &both, false, after(1)), Shown::Again);
        let given = both.issue(asked_again.id, asked_again.chain.place);
        assert_eq!(asked_again.show(&given, &both, false, after(2)), Shown::Spent);
        assert_eq!(session.show(&second, &both, false, after(1)), Shown::Spent);
        assert_eq!(session.show(&first, &both, false, after(2)), Shown::Reused);
    }

    #[test]
    fn a_session_that_was_not_used_for_thirty_days_is_over() {
        let tokens = tokens(1);
        let (mut session, first) = begun(&tokens);
        let end = session.expires_at;
        assert_eq!(session.show(&first, &tokens, false, end), Shown::Unknown);
        assert_eq!(session.show(&first, &tokens, false, Millis(end.0 - 1)), Shown::Spent);
    }

    #[test]
    fn tokens_do_not_show_themselves() {
        let tokens = tokens(1);
        let token = tokens.issue(SessionId::new(), 0);
        let shown = format!("{token:?} {:?} {tokens:?}", token.hash());
        assert_eq!(shown, "RefreshToken(…) TokenHash(…) RefreshTokens(…)");
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let client = Client::new("1.2.3.4\r\n", &"ü".repeat(1000));
        assert_eq!(client.address, "1.2.3.4");
        assert_eq!(client.agent.chars().count(), 300);
    }

    proptest! {
        #[test]
        fn whatever_comes_as_a_token_is_read_without_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let tokens = tokens(1);
            for text in [text, URL_SAFE_NO_PAD.encode(&bytes)] {
                if let Some(token) = RefreshToken::parse(&text) {
                    prop_assert_eq!(token.reveal(), text);
                    prop_assert!(!tokens.are_genuine(&token));
                }
            }
        }

        #[test]
        fn a_token_that_was_shown_is_read_back(place in any::<u32>()) {
            let tokens = tokens(1);
            let token = tokens.issue(SessionId::new(), place);
            let read = RefreshToken::parse(&token.reveal()).unwrap();
            prop_assert!(tokens.are_genuine(&read));
            prop_assert_eq!(read.place(), place);
            prop_assert_eq!(read, token);
        }

        // Whatever tokens are shown in whatever order, at most one token is good at any time, and a session that has ended stays so.
        #[test]
        fn there_is_never_a_second_chain(uses in proptest::collection::vec((0u32..6, any::<bool>(), 0u64..6), 1..40)) {
            let tokens = tokens(1);
            let (mut session, _) = begun(&tokens);
            let mut now = 0;
            for (back, at_once, later) in uses {
                now += later;
                let place = session.chain.place.saturating_sub(back);
                let was_live = session.is_live(after(now));
                let before = session.chain.place;
                let shown = session.show(&tokens.issue(session.id, place), &tokens, at_once, after(now));
                prop_assert_eq!(session.chain.current, tokens.issue(session.id, session.chain.place).hash());
                match shown {
                    Shown::Spent => prop_assert!(place == before && session.chain.place == before + 1),
                    Shown::Again | Shown::AtOnce => prop_assert!(place + 1 == before && session.chain.place == before),
                    Shown::Reused => prop_assert!(!session.is_live(after(now))),
                    Shown::Unknown => prop_assert!(!was_live),
                }
            }
        }
    }
}
