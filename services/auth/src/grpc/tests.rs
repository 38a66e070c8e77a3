//! The calls as others make them: over the service's own routes.

mod calls;
mod passwords;
mod people;

use std::{ops::Deref, sync::atomic::Ordering};

use leadline_bus::Bus;
use leadline_proto::auth::{auth_service_client::AuthServiceClient, *};
use leadline_runtime::{
    caller::{Origin, ServiceSecret},
    refusal::Refusal,
    route::Route,
    stop::Stop,
};
use leadline_storage::StoreUrl;
use tonic::{Request, Response, Status};

use crate::{Config, Parts, Service, SigningKeys};

const PASSWORD: &str = "a quiet heron at noon";

/// The service in this process, with a store of its own.
struct Running {
    service: Service,
    secret: ServiceSecret,
    stop: Stop,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.now();
    }
}

impl Deref for Running {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

async fn running(rate_limits: bool) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file:{}", folder.path().join("auth.db").display());
    let config = Config {
        store: StoreUrl::parse(&url).unwrap(),
        keys: SigningKeys::load_or_create(&folder.path().join("signing-key.pem")).unwrap(),
        rate_limits,
    };
    let (stop, bus, secret) = (Stop::new(), Bus::memory(), ServiceSecret::random());
    let parts = Parts { bus: bus.clone(), secret: secret.clone() };
    let service = crate::start(config, parts, &stop).await.unwrap();
    bus.start();
    Running { service, secret, stop, _folder: folder }
}

impl Running {
    fn client(&self) -> AuthServiceClient<Route> {
        AuthServiceClient::new(Route::in_process("auth", self.routes.clone()))
    }

    /// How many passwords were verified so far.
    fn verified(&self) -> u64 {
        self.auth.hasher.verified.load(Ordering::SeqCst)
    }

    async fn register(&self, email: &str) -> SignedIn {
        let request = RegisterRequest {
            name: Some("Ada".into()),
            email: Some(email.into()),
            password: Some(PASSWORD.into()),
            ..RegisterRequest::default()
        };
        self.client().register(request).await.unwrap().into_inner()
    }

    async fn login(&self, email: &str, password: &str) -> Result<SignedIn, Refusal> {
        answer(self.client().login(login(email, password)).await)
    }

    async fn refresh(&self, token: &str) -> Result<SignedIn, Refusal> {
        let request = RefreshRequest { refresh_token: token.to_owned(), client: None };
        answer(self.client().refresh(request).await)
    }

    async fn me(&self, token: &str) -> Result<Me, Refusal> {
        answer(self.client().get_me(with(token, GetMeRequest {})).await)
    }

    async fn invite(&self, by: &SignedIn, email: &str, role: Role) -> Result<Invitation, Refusal> {
        answer(self.client().create_invitation(with(&by.access_token, invitation(email, role))).await)
    }

    async fn accept(&self, token: &str) -> Result<SignedIn, Refusal> {
        let request = AcceptInvitationRequest {
            token: Some(token.to_owned()),
            name: Some("Bob".into()),
            password: Some(PASSWORD.into()),
            ..AcceptInvitationRequest::default()
        };
        answer(self.client().accept_invitation(request).await)
    }

    /// Somebody new in the workspace of `by`.
    async fn join(&self, by: &SignedIn, email: &str, role: Role) -> SignedIn {
        let invitation = self.invite(by, email, role).await.unwrap();
        self.accept(&invitation.token.unwrap()).await.unwrap()
    }

    async fn change_role(&self, by: &SignedIn, whom: &SignedIn, role: Role) -> Result<Member, Refusal> {
        let request =
            ChangeRoleRequest { user_id: id(whom), role: role.into(), ..ChangeRoleRequest::default() };
        answer(self.client().change_role(with(&by.access_token, request)).await)
    }

    async fn remove(&self, by: &SignedIn, whom: &SignedIn) -> Result<RemoveMemberResponse, Refusal> {
        let request = with(&by.access_token, RemoveMemberRequest { user_id: id(whom) });
        answer(self.client().remove_member(request).await)
    }
}

fn answer<T>(answered: Result<Response<T>, Status>) -> Result<T, Refusal> {
    answered.map(Response::into_inner).map_err(Refusal::from)
}

fn login(email: &str, password: &str) -> LoginRequest {
    LoginRequest {
        email: Some(email.to_owned()),
        password: Some(password.to_owned()),
        ..LoginRequest::default()
    }
}

fn invitation(email: &str, role: Role) -> CreateInvitationRequest {
    CreateInvitationRequest {
        email: Some(email.to_owned()),
        role: role.into(),
        ..CreateInvitationRequest::default()
    }
}

/// A request of the one whose token this is.
fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Origin::new().request(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn id(signed_in: &SignedIn) -> String {
    signed_in.user.as_ref().unwrap().id.clone()
}

fn workspace(signed_in: &SignedIn) -> String {
    signed_in.workspace.as_ref().unwrap().id.clone()
}

/// The fields that a refusal names.
fn fields<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> Vec<String> {
    match refused.unwrap_err() {
        Refusal::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn unauthenticated<T>(answered: &Result<T, Refusal>) -> bool {
    matches!(answered, Err(Refusal::Unauthenticated(_)))
}

fn reason<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> String {
    match refused.unwrap_err() {
        Refusal::Conflict { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}
