//! A whole leads service in this process, and people with tokens.

use std::{
    collections::HashSet,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use leadline_bus::Bus;
use leadline_proto::{
    auth::{
        self, CheckMembersRequest, CheckMembersResponse, GetWorkspaceRequest, ListMembersRequest,
        ListMembersResponse, ListPeopleRequest, ListPeopleResponse, Workspace,
    },
    leads::{
        self as proto, imports_service_client::ImportsServiceClient, leads_service_client::LeadsServiceClient,
    },
};
use leadline_runtime::{
    caller::{Role, ServiceSecret},
    ids::{SessionId, UserId, WorkspaceId, new_uuid},
    refusal::Refusal,
    revoked::Revocations,
    route::Route,
    stop::Stop,
    time::Millis,
    tokens::{AUDIENCE, Claims, ISSUER, Jwk, Jwks, Verifier, sign},
};
use leadline_storage::StoreUrl;
use leadline_testbed::Folder;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, UnaryService},
    service::Routes,
};
use tonic_prost::ProstCodec;

use crate::{Config, Parts, store::Store};

/// Who is a member, and where: all that the leads service asks of the auth service. Everybody is called by their id.
#[derive(Clone, Default)]
pub(super) struct Membership(Arc<Mutex<HashSet<String>>>);

impl Membership {
    pub(super) fn add(&self, user: UserId) {
        self.0.lock().unwrap().insert(user.to_string());
    }

    pub(super) fn remove(&self, user: UserId) {
        self.0.lock().unwrap().remove(&user.to_string());
    }
}

impl NamedService for Membership {
    const NAME: &'static str = "leadline.auth.v1.AuthService";
}

impl UnaryService<CheckMembersRequest> for Membership {
    type Response = CheckMembersResponse;
    type Future = std::future::Ready<Result<Response<CheckMembersResponse>, Status>>;

    fn call(&mut self, request: Request<CheckMembersRequest>) -> Self::Future {
        let asked = request.into_inner().user_ids;
        let known = self.0.lock().unwrap();
        let member_ids = asked.into_iter().filter(|id| known.contains(id)).collect();
        std::future::ready(Ok(Response::new(CheckMembersResponse { member_ids })))
    }
}

impl UnaryService<ListPeopleRequest> for Membership {
    type Response = ListPeopleResponse;
    type Future = std::future::Ready<Result<Response<ListPeopleResponse>, Status>>;

    fn call(&mut self, _: Request<ListPeopleRequest>) -> Self::Future {
        let person = |id: &String| auth::list_people_response::Person {
            id: id.clone(),
            name: format!("Person {id}"),
            member: true,
            erased: false,
        };
        let people = self.0.lock().unwrap().iter().map(person).collect();
        std::future::ready(Ok(Response::new(ListPeopleResponse { people })))
    }
}

impl UnaryService<ListMembersRequest> for Membership {
    type Response = ListMembersResponse;
    type Future = std::future::Ready<Result<Response<ListMembersResponse>, Status>>;

    fn call(&mut self, _: Request<ListMembersRequest>) -> Self::Future {
        let member = |id: &String| auth::Member {
            user: Some(auth::User {
                id: id.clone(),
                email: format!("{id}@example.com"),
                ..auth::User::default()
            }),
            ..auth::Member::default()
        };
        let members = self.0.lock().unwrap().iter().map(member).collect();
        let answer = ListMembersResponse { members, ..ListMembersResponse::default() };
        std::future::ready(Ok(Response::new(answer)))
    }
}

impl UnaryService<GetWorkspaceRequest> for Membership {
    type Response = Workspace;
    type Future = std::future::Ready<Result<Response<Workspace>, Status>>;

    fn call(&mut self, _: Request<GetWorkspaceRequest>) -> Self::Future {
        let workspace = Workspace { timezone: "Europe/Berlin".to_owned(), ..Workspace::default() };
        std::future::ready(Ok(Response::new(workspace)))
    }
}

impl Service<http::Request<Body>> for Membership {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let known = self.clone();
        Box::pin(async move {
            let call = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match call.as_str() {
                "ListPeople" => {
                    let codec = ProstCodec::<ListPeopleResponse, ListPeopleRequest>::default();
                    Grpc::new(codec).unary(known, request).await
                }
                "ListMembers" => {
                    let codec = ProstCodec::<ListMembersResponse, ListMembersRequest>::default();
                    Grpc::new(codec).unary(known, request).await
                }
                "GetWorkspace" => {
                    let codec = ProstCodec::<Workspace, GetWorkspaceRequest>::default();
                    Grpc::new(codec).unary(known, request).await
                }
                _ => {
                    let codec = ProstCodec::<CheckMembersResponse, CheckMembersRequest>::default();
                    Grpc::new(codec).unary(known, request).await
                }
            })
        })
    }
}

/// The service, started.
pub(super) struct House {
    pub(super) client: LeadsServiceClient<Route>,
    pub(super) imports: ImportsServiceClient<Route>,
    pub(super) store: Arc<dyn Store>,
    pub(super) bus: Bus,
    pub(super) secret: ServiceSecret,
    pub(super) members: Membership,
    key: SigningKey,
    stop: Stop,
    _folder: Folder,
}

impl House {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let stop = Stop::new();
        let key = SigningKey::from_bytes(&[7; 32]);
        let revoked = Revocations::new();
        revoked.set_loaded();
        let jwks = Jwks { keys: vec![Jwk::new("k1", &key.verifying_key().to_bytes())] };
        let verifier = Verifier::fixed(&jwks, revoked);
        let (bus, members, secret) = (Bus::memory(), Membership::default(), ServiceSecret::random());
        let parts = Parts {
            bus: bus.clone(),
            verifier,
            secret: secret.clone(),
            auth: Route::in_process("auth", Routes::new(members.clone())),
        };
        let config = Config { store: StoreUrl::Sqlite(folder.join("leads.db")) };
        let service =
            crate::start(config, parts, &stop).await.map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
        let route = Route::in_process("leads", service.routes);
        let client = LeadsServiceClient::new(route.clone());
        let imports = ImportsServiceClient::new(route);
        service.health.ask().await.map_err(anyhow::Error::msg)?;
        Ok(Self { client, imports, store: service.store, bus, secret, members, key, stop, _folder: folder })
    }

    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stop.now();
        anyhow::ensure!(self.stop.finished(Duration::from_secs(10)).await, "tasks are still running");
        self.store.close().await;
        Ok(())
    }

    /// Somebody new in a workspace.
    pub(super) async fn person(&self, workspace: WorkspaceId, role: Role) -> anyhow::Result<Person> {
        let user = UserId::new();
        self.members.add(user);
        let now = Millis::now().0 / 1000;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            wid: workspace.to_string(),
            role: role.name().to_owned(),
            sid: SessionId::new().to_string(),
            iat: now,
            exp: now + 900,
            jti: new_uuid().to_string(),
        };
        let token = sign(&claims, "k1", self.key.to_pkcs8_der()?.as_bytes())?;
        Ok(Person { user, token, client: self.client.clone(), imports: self.imports.clone() })
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) user: UserId,
    pub(super) token: String,
    pub(super) client: LeadsServiceClient<Route>,
    pub(super) imports: ImportsServiceClient<Route>,
}

impl Person {
    pub(super) fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let header = format!("Bearer {}", self.token).parse().expect("a token is ASCII");
        request.metadata_mut().insert("authorization", header);
        request
    }

    pub(super) async fn make(&mut self, fields: proto::LeadFields) -> Result<proto::Lead, Refusal> {
        let request =
            proto::CreateLeadRequest { fields: Some(fields), ..proto::CreateLeadRequest::default() };
        let request = self.ask(request);
        answer(self.client.create_lead(request).await)
    }

    pub(super) async fn get(&mut self, id: &str) -> Result<proto::Lead, Refusal> {
        let request = self.ask(proto::GetLeadRequest { id: id.to_owned() });
        answer(self.client.get_lead(request).await)
    }

    pub(super) async fn list(
        &mut self,
        filter: proto::LeadFilter,
    ) -> Result<proto::ListLeadsResponse, Refusal> {
        let request = proto::ListLeadsRequest { filter: Some(filter), ..proto::ListLeadsRequest::default() };
        let request = self.ask(request);
        answer(self.client.list_leads(request).await)
    }
}

pub(super) fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, Refusal> {
    answer.map(Response::into_inner).map_err(Refusal::from)
}

pub(super) fn named(name: &str) -> proto::LeadFields {
    proto::LeadFields { name: Some(name.to_owned()), ..proto::LeadFields::default() }
}

/// The fields that a refusal names, in order.
pub(super) fn bad_fields<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Vec<String> {
    match answer {
        Err(Refusal::Invalid(violations)) => {
            let mut fields: Vec<String> = violations.into_iter().map(|violation| violation.field).collect();
            fields.sort();
            fields
        }
        other => panic!("not invalid: {other:?}"),
    }
}

/// Sets these fields of a lead.
pub(super) fn patch(id: &str, fields: proto::LeadFields, paths: &[&str]) -> proto::UpdateLeadRequest {
    proto::UpdateLeadRequest {
        id: id.to_owned(),
        fields: Some(fields),
        mask: Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..proto::UpdateLeadRequest::default()
    }
}
