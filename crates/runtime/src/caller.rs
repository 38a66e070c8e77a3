//! Who is asking, what they may do, and whose rows they may touch.

use std::{sync::Arc, time::Duration};

use leadline_proto::events::Event;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::{
    ids::{SessionId, UserId, WorkspaceId, parse_uuid},
    refusal::Refusal,
    time::Millis,
    trace,
};

/// How long one call between parts may take, all told.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What a member may do, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads, and exports.
    Viewer,
    /// Works with leads and reminders.
    Member,
    /// Manages people and settings too.
    Admin,
    /// Everything; there is always at least one.
    Owner,
}

impl Role {
    /// All of them, from most to least.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// As the REST contract and the tokens name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The workspace whose rows a store call may see. There are two ways to one: a verified token, or an event or row of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    workspace: WorkspaceId,
}

impl Scope {
    /// The workspace.
    #[must_use]
    pub fn workspace(self) -> WorkspaceId {
        self.workspace
    }

    /// That of an event that came over the bus. `None` if it names no workspace.
    #[must_use]
    pub fn of_event(event: &Event) -> Option<Self> {
        let workspace = parse_uuid(&event.workspace_id).ok()?.into();
        Some(Self { workspace })
    }

    /// That of a row which a background task of the same service has read (the clock, a sweep, a rebuild).
    /// Never call this with an id that came in with a request.
    #[must_use]
    pub fn of_own_row(workspace: WorkspaceId) -> Self {
        Self { workspace }
    }
}

/// A person with a verified token, and the request that they make.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// In which workspace; every store call takes [`Caller::scope`].
    pub workspace: WorkspaceId,
    /// What they may do there.
    pub role: Role,
    /// Their session.
    pub session: SessionId,
    /// Until when the token is good: what outlives a request (a stream) ends then.
    pub expires: Millis,
    /// The request's id and trace.
    pub origin: Origin,
    /// The token, to be carried on to other services.
    pub(crate) token: Arc<str>,
}

impl Caller {
    /// The rows they may touch.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { workspace: self.workspace }
    }

    /// Demands a role.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] for a lower one.
    pub fn require(&self, least: Role) -> Result<(), Refusal> {
        if self.role >= least {
            return Ok(());
        }
        let needed = match least {
            Role::Owner => "an owner",
            Role::Admin => "an owner or admin",
            Role::Member | Role::Viewer => "an owner, admin or member",
        };
        Err(Refusal::Forbidden(format!(
            "your role is {}: only {needed} of the workspace may do this",
            self.role.name()
        )))
    }

    /// A request to another service on this person's behalf: with their token, the request's id, its trace and a deadline.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = self.origin.request(message);
        put(request.metadata_mut(), "authorization", &format!("Bearer {}", self.token));
        request
    }

    /// The same for a message that is a stream of somebody else's, who takes their time: without a deadline. Whoever makes the
    /// call bounds it.
    pub fn upload<T>(&self, messages: T) -> tonic::Request<T> {
        let mut request = self.request(messages);
        request.metadata_mut().remove("grpc-timeout");
        request.extensions_mut().insert(NoDeadline);
        request
    }
}

/// In a call's extensions: it is bounded by whoever makes it, and by no [`DEADLINE`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoDeadline;

/// Where a request came from: what logs, traces and events of one request have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The request's id.
    pub request_id: String,
    /// W3C trace context; may be empty.
    pub traceparent: String,
}

impl Origin {
    /// A new one, for work that no request asked for.
    #[must_use]
    pub fn new() -> Self {
        let traceparent = trace::here().unwrap_or_else(trace::begin);
        Self { request_id: crate::ids::new_uuid().to_string(), traceparent }
    }

    /// That of an incoming call.
    #[must_use]
    pub fn of(metadata: &MetadataMap) -> Self {
        let text = |name: &str| {
            metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        Self {
            request_id: text("x-request-id"),
            traceparent: trace::here().unwrap_or_else(|| text("traceparent")),
        }
    }

    /// A request without a token, with the request's id, its trace and a deadline.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(DEADLINE);
        put(request.metadata_mut(), "x-request-id", &self.request_id);
        put(request.metadata_mut(), "traceparent", &self.traceparent);
        request
    }
}

/// Sets a metadata value; one that is empty or not ASCII is left out.
pub(crate) fn put(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if value.is_empty() {
        return;
    }
    if let Ok(value) = MetadataValue::<Ascii>::try_from(value) {
        metadata.insert(name, value);
    }
}

/// What services show each other where no person is behind a call. One a deployment; all-in-one makes one at start.
#[derive(Clone)]
pub struct ServiceSecret(Arc<str>);

impl ServiceSecret {
    /// Takes a secret of at least 32 characters.
    ///
    /// # Errors
    /// A sentence for a shorter one.
    pub fn new(secret: &str) -> Result<Self, String> {
        if secret.len() < 32 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "must be at least 32 printable ASCII characters (try: openssl rand -base64 48)".to_owned()
            );
        }
        Ok(Self(secret.into()))
    }

    /// One that nobody else knows, for a single process.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()).into())
    }

    /// A request from one service to another.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = Origin::new().request(message);
        put(request.metadata_mut(), SERVICE_SECRET, &self.0);
        request
    }

    /// Demands the secret of a call.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] without it.
    pub fn admit(&self, metadata: &MetadataMap) -> Result<(), Refusal> {
        use subtle::ConstantTimeEq;
        let given = metadata.get(SERVICE_SECRET).map(MetadataValue::as_bytes).unwrap_or_default();
        if bool::from(given.ct_eq(self.0.as_bytes())) {
            Ok(())
        } else {
            Err(Refusal::Unauthenticated("this call is for the services of the deployment only".to_owned()))
        }
    }
}

const SERVICE_SECRET: &str = "leadline-service-secret";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_rank_from_viewer_to_owner() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Member && Role::Member > Role::Viewer);
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("Owner"), None);
    }

    #[test]
    fn a_call_without_the_service_secret_is_refused() {
        let secret = ServiceSecret::random();
        assert!(secret.admit(secret.request(()).metadata()).is_ok());
        assert!(secret.admit(ServiceSecret::random().request(()).metadata()).is_err());
        assert!(secret.admit(&MetadataMap::new()).is_err());
        assert!(ServiceSecret::new("short").is_err());
    }
}
