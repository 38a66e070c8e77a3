//! What those who run Leadline rely on: health, the description, the documentation, gRPC, logs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{
    Client, Mode, PASSWORD, Part, System,
    grpc::{SERVICES, call, channel},
    in_every_mode,
    system::shared_servers,
    tenants::World,
    text,
};
use prost::Message;
use prost_types::FileDescriptorProto;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

in_every_mode!(
    the_process_is_alive_and_every_part_is_ready,
    the_served_description_is_the_one_that_is_checked_in,
    the_documentation_needs_no_other_host,
    the_dashboard_is_served_and_finds_its_own_paths,
    every_service_tells_its_health_over_grpc,
    no_grpc_call_is_carried_out_without_a_token,
    what_services_ask_each_other_is_not_for_people,
    another_s_lead_is_unknown_over_grpc_too,
    logs_hold_no_personal_data,
);

async fn the_process_is_alive_and_every_part_is_ready(system: &'static System) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let alive = stranger.get("//healthz").await?.expect(200)?;
    ensure!(alive.body == json!({ "status": "ok" }), "{}", alive.body);
    let ready = stranger.get("//readyz").await?.expect(200)?;
    ensure!(ready.body["status"] == "ok", "{}", ready.body);
    let parts = ready.body["parts"].as_array().cloned().unwrap_or_default();
    for part in ["auth", "leads", "reminders", "analytics", "bus"] {
        let found = parts.iter().filter(|told| told["name"] == part).count();
        ensure!(found == 1, "{part} is told {found} times: {}", ready.body);
    }
    ensure!(parts.iter().all(|part| part["status"] == "ok"), "{}", ready.body);
    Ok(())
}

async fn the_served_description_is_the_one_that_is_checked_in(system: &'static System) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let served = stranger.get("//api/openapi.json").await?.expect(200)?;
    let checked_in: Value = serde_json::from_str(include_str!("../../gateway/openapi.json"))?;
    ensure!(served.body == checked_in, "the programs are older or newer than gateway/openapi.json");
    ensure!(text(&served.body, "openapi").starts_with("3.1"), "{}", served.body["openapi"]);
    Ok(())
}

/// What a page loads: the values of `src` and `href`.
fn loads(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["src=\"", "href=\"", "src='", "href='"] {
        for rest in page.split(attribute).skip(1) {
            found.extend(rest.split(['"', '\'']).next().map(str::to_owned));
        }
    }
    found
}

async fn the_documentation_needs_no_other_host(system: &'static System) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let page = stranger.get("//api/docs").await?.expect(200)?;
    ensure!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    let html = page.body.as_str().context("no page")?;
    ensure!(!html.contains("http://") && !html.contains("https://") && !html.contains("\"//"), "{html}");
    let files = loads(html);
    ensure!(files.iter().any(|file| file.ends_with(".js")), "{files:?}");
    for file in files.iter().filter(|file| !file.starts_with("data:")) {
        let path = match file.strip_prefix('/') {
            Some(path) => format!("//{path}"),
            None => format!("//api/docs/{}", file.trim_start_matches("./").trim_start_matches("docs/")),
        };
        let answer = stranger.get(&path).await?.expect(200)?;
        ensure!(!answer.header("content-type").starts_with("text/html"), "{file}: {:?}", answer.headers);
    }
    Ok(())
}

async fn the_dashboard_is_served_and_finds_its_own_paths(system: &'static System) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let page = stranger.get("///").await?.expect(200)?;
    ensure!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    let html = page.body.as_str().context("no page")?;
    for file in loads(html).iter().filter(|file| file.starts_with('/')) {
        stranger.get(&format!("/{file}")).await?.expect(200)?;
    }
    // A page of the dashboard that is opened by its address is the dashboard; a file that is not there is not.
    let deep = stranger.get("//leads").await?.expect(200)?;
    ensure!(deep.body == page.body);
    ensure!(stranger.get("//assets/nothing-here.js").await?.status == 404);
    Ok(())
}

async fn every_service_tells_its_health_over_grpc(system: &'static System) -> Result<()> {
    for (part, name) in SERVICES {
        let mut health = HealthClient::new(channel(system, part).await?);
        for service in [name, ""] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer =
                health.check(request).await.with_context(|| format!("{name}: {service:?}"))?.into_inner();
            ensure!(answer.status() == ServingStatus::Serving, "{name}: {service:?}: {answer:?}");
        }
        let unknown = HealthCheckRequest { service: "leadline.nothing".to_owned() };
        let refused = health.check(unknown).await.err().map(|status| status.code());
        ensure!(refused == Some(Code::NotFound), "{refused:?}");
    }
    Ok(())
}

/// Every method of a service, as its reflection tells them.
async fn methods(system: &System, part: Part, service: &str) -> Result<Vec<String>> {
    let mut reflection = ServerReflectionClient::new(channel(system, part).await?);
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(service.to_owned())),
    };
    let mut answers = reflection.server_reflection_info(futures::stream::iter([ask])).await?.into_inner();
    let answer = answers.message().await?.context("no reflection")?;
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
        anyhow::bail!("{service} is not reflected: {answer:?}")
    };
    let mut methods = Vec::new();
    for file in files.file_descriptor_proto {
        let file = FileDescriptorProto::decode(file.as_slice())?;
        for found in
            file.service.iter().filter(|found| format!("{}.{}", file.package(), found.name()) == service)
        {
            methods.extend(found.method.iter().map(|method| method.name().to_owned()));
        }
    }
    ensure!(!methods.is_empty(), "{service} has no methods");
    Ok(methods)
}

/// Calls a method with an empty message.
async fn asked(channel: &Channel, service: &str, method: &str, token: Option<&str>) -> Result<Code> {
    Ok(call(channel, service, method, token, &[]).await?.err().map_or(Code::Ok, |status| status.code()))
}

async fn no_grpc_call_is_carried_out_without_a_token(system: &'static System) -> Result<()> {
    // Those that sign somebody in, and the public keys.
    const OPEN: [&str; 5] = ["Register", "Login", "Refresh", "AcceptInvitation", "GetJwks"];
    for (part, service) in SERVICES {
        let channel = channel(system, part).await?;
        for method in methods(system, part, service).await? {
            if OPEN.contains(&method.as_str()) {
                continue;
            }
            for token in [None, Some("x"), Some("eyJhbGciOiJub25lIn0.e30.")] {
                let code = asked(&channel, service, &method, token).await?;
                ensure!(code == Code::Unauthenticated, "{service}/{method} with {token:?}: {code:?}");
            }
        }
        let unknown = asked(&channel, service, "Nothing", None).await?;
        ensure!(unknown == Code::Unimplemented, "{unknown:?}");
    }
    Ok(())
}

async fn what_services_ask_each_other_is_not_for_people(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for (part, service, method) in [
        (Part::Auth, "leadline.auth.v1.AuthService", "ListRevocations"),
        (Part::Leads, "leadline.leads.v1.LeadsService", "StreamSnapshots"),
        (Part::Analytics, "leadline.analytics.v1.AnalyticsService", "Rebuild"),
    ] {
        let channel = channel(system, part).await?;
        let code = asked(&channel, service, method, una.token.as_deref()).await?;
        ensure!(matches!(code, Code::Unauthenticated | Code::PermissionDenied), "{method}: {code:?}");
    }
    Ok(())
}

async fn another_s_lead_is_unknown_over_grpc_too(system: &'static System) -> Result<()> {
    use leadline_proto::leads::{GetLeadRequest, leads_service_client::LeadsServiceClient};
    let una = system.register("Una").await?;
    let otto = system.register("Otto").await?;
    let lead = una.lead("Ada").await?;
    let mut leads = LeadsServiceClient::new(channel(system, Part::Leads).await?);
    let mut get = async |client: &Client,
                         id: &str,
                         workspace: Option<&str>|
           -> Result<Result<String, (Code, String)>> {
        let mut request = Request::new(GetLeadRequest { id: id.to_owned() });
        let token = client.token.as_deref().unwrap_or_default();
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        if let Some(workspace) = workspace {
            for name in ["x-workspace-id", "workspace-id", "leadline-workspace", "wid"] {
                request.metadata_mut().insert(name, workspace.parse()?);
            }
        }
        let answer = leads.get_lead(request).await;
        Ok(answer
            .map(|lead| lead.into_inner().id)
            .map_err(|status| (status.code(), status.message().to_owned())))
    };
    let id = text(&lead, "id");
    ensure!(get(&una, id, None).await? == Ok(id.to_owned()));
    let unknown = get(&otto, &leadline_tests::unknown_id(), None).await?;
    ensure!(matches!(unknown, Err((Code::NotFound, _))), "{unknown:?}");
    for workspace in [None, Some(una.workspace.as_str())] {
        let foreign = get(&otto, id, workspace).await?;
        ensure!(foreign == unknown, "{foreign:?} and {unknown:?}");
    }
    Ok(())
}

async fn logs_hold_no_personal_data(system: &'static System) -> Result<()> {
    let mark = format!("zq{}", uuid::Uuid::new_v4().simple());
    let una = system.register(&format!("Una {mark}")).await?;
    let lead = una
        .lead_of(&json!({ "name": mark, "email": format!("{mark}@example.test"), "phone": "+49 30 8675309", "note": mark }))
        .await?;
    una.get(&format!("/leads?q={mark}")).await?.expect(200)?;
    una.get(&format!("/leads/{mark}")).await?.expect(404)?;
    una.post("/leads", &json!({ "name": mark, "email": format!("{mark}@"), "bogus": mark }))
        .await?
        .expect(422)?;
    let due = json!({ "leadId": lead["id"], "dueAt": chrono::Utc::now().to_rfc3339(), "message": mark });
    una.post("/reminders", &due).await?.expect(201)?;
    let login = json!({ "email": format!("{mark}@example.test"), "password": format!("{mark} {PASSWORD}") });
    Client::stranger(system.base()).post("/auth/login", &login).await?.expect(401)?;
    una.with(("x-request-id", "the-request-to-look-for"), Method::GET, "/auth/me", &Value::Null)
        .await?
        .expect(200)?;
    wait_until(Duration::from_secs(10), "the request is logged", async || {
        system.output().contains("the-request-to-look-for")
    })
    .await?;
    let output = system.output();
    for (what, secret) in [
        ("a text", mark.as_str()),
        ("an address", &una.email),
        ("a password", PASSWORD),
        ("a phone", "8675309"),
        ("an access token", una.token.as_deref().unwrap_or_default()),
        ("a refresh token", una.refresh_token.as_deref().unwrap_or_default()),
    ] {
        let line = output.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "{what} is logged: {line:?}");
    }
    ensure!(
        !output.contains(" ERROR "),
        "{}",
        output.lines().find(|line| line.contains(" ERROR ")).unwrap_or_default()
    );
    Ok(())
}

#[tokio::test]
async fn logs_of_all_in_one_at_their_most_talkative_hold_no_personal_data() -> Result<()> {
    talkative_logs(Mode::AllInOne).await
}

#[tokio::test]
async fn logs_on_servers_at_their_most_talkative_hold_no_personal_data() -> Result<()> {
    talkative_logs(Mode::OnServers).await
}

#[tokio::test]
async fn logs_of_services_at_their_most_talkative_hold_no_personal_data() -> Result<()> {
    talkative_logs(Mode::Distributed).await
}

/// Somebody does all that can be done, with a word in all that they say, and everything is logged.
async fn talkative_logs(mode: Mode) -> Result<()> {
    let servers = if mode == Mode::AllInOne { None } else { Some(shared_servers().await?) };
    let log = "debug,leadline=trace,leadline_auth=trace,leadline_leads=trace,leadline_reminders=trace,\
               leadline_analytics=trace,leadline_gateway=trace,leadline_runtime=trace,leadline_bus=trace,leadline_storage=trace";
    let system = System::start_on(mode, servers, &[("LEADLINE_LOG", log)]).await?;
    let mark = format!("zq{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let mut una = system.register(&format!("Una {mark}")).await?;
    let mut secrets: Vec<(&str, String)> = vec![
        ("a word of somebody's", mark.clone()),
        ("a password", PASSWORD.to_owned()),
        ("a phone", "8675309".to_owned()),
        ("an address", una.email.clone()),
    ];
    let tokens = |person: &Client, secrets: &mut Vec<(&str, String)>| {
        secrets.push(("an access token", person.token.clone().unwrap_or_default()));
        secrets.push(("a refresh token", person.refresh_token.clone().unwrap_or_default()));
    };
    tokens(&una, &mut secrets);
    // Something of everything, and of what is refused.
    let things = World::furnish(&una, &mark).await?;
    let lead = json!({ "name": mark, "email": format!("{mark}@example.test"), "phone": "+49 30 8675309", "note": mark });
    for header in [("idempotency-key", format!("key-{mark}")), ("x-request-id", "a-request".to_owned())] {
        una.with((header.0, &header.1), Method::POST, "/leads", &lead).await?.expect(201)?;
    }
    una.post("/leads", &json!({ "name": mark, "email": format!("{mark}@"), "bogus": mark }))
        .await?
        .expect(422)?;
    una.patch(&format!("/leads/{}", things["lead"]), &json!({ "company": mark, "phone": "8675309" }))
        .await?
        .expect(200)?;
    for (path, status) in [
        (format!("/leads?q={mark}&tag={mark}"), 200),
        (format!("/leads/{mark}"), 404),
        (format!("/leads?cursor={mark}"), 400),
        (format!("/leads/export?format=xlsx&q={mark}"), 200),
        (format!("/leads/export?format=csv&q={mark}"), 200),
        (format!("/leads/duplicates?name={mark}&email={mark}@example.test&phone=8675309"), 200),
        (format!("/leads/imports/{}/errors", things["import"]), 200),
        ("/reports/monthly?format=xlsx".to_owned(), 200),
        ("/analytics/dashboard".to_owned(), 200),
        (format!("/downloads/{mark}"), 410),
        (format!("/nowhere/{mark}?{mark}={mark}"), 404),
    ] {
        una.get(&path).await?.expect(status)?;
    }
    let link = una
        .post("/downloads", &json!({ "path": format!("/api/v1/leads/export?format=csv&q={mark}") }))
        .await?
        .expect(201)?;
    let download = link.text("url").rsplit('/').next().unwrap_or_default().to_owned();
    // As a browser follows it.
    let cookie = link.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let follow = una.signed_out().request(Method::GET, &format!("/downloads/{download}"));
    una.send(follow.header("cookie", &cookie)).await?.expect(200)?;
    secrets.push(("a link's token", download));
    secrets.push(("a link's cookie", cookie.rsplit('=').next().unwrap_or_default().to_owned()));
    let invited = json!({ "email": format!("ina.{mark}@example.test"), "role": "member" });
    let invitation = una.post("/workspace/invitations", &invited).await?.expect(201)?;
    secrets.push(("an invitation's token", invitation.text("token").to_owned()));
    let accept = json!({ "token": invitation.text("token"), "name": format!("Ina {mark}"), "password": PASSWORD, "session": "token" });
    let mut ina = Client::stranger(system.base());
    ina.signed_in(&ina.post("/auth/invitations/accept", &accept).await?.expect(201)?);
    tokens(&ina, &mut secrets);
    let stranger = Client::stranger(system.base());
    let wrong = json!({ "email": format!("{mark}@example.test"), "password": format!("{mark} {PASSWORD}") });
    stranger.post("/auth/login", &wrong).await?.expect(401)?;
    stranger.with_token(&format!("forged.{mark}.x")).get("/leads").await?.expect(401)?;
    let refresh = json!({ "refreshToken": una.refresh_token });
    una.signed_in(&stranger.post("/auth/refresh", &refresh).await?.expect(200)?);
    tokens(&una, &mut secrets);
    stranger
        .post("/auth/refresh", &json!({ "refreshToken": format!("made-up-{mark}") }))
        .await?
        .expect(401)?;
    let new = format!("quite another passphrase {mark}");
    una.post("/auth/me/password", &json!({ "currentPassword": PASSWORD, "newPassword": new }))
        .await?
        .expect(204)?;
    una.patch("/auth/me", &json!({ "name": format!("Ada {mark}") })).await?.expect(200)?;
    ina.with(("accept", "*/*"), Method::DELETE, "/auth/me", &json!({ "password": PASSWORD }))
        .await?
        .expect(204)?;
    for part in system.parts() {
        if let Some(secret) = system.setting(part, "LEADLINE_SERVICE_SECRET") {
            secrets.push(("the service secret", secret));
        }
    }
    let key = if mode == Mode::Distributed { "signing-key.pem" } else { "data/signing-key.pem" };
    let key = std::fs::read_to_string(system.folder().join(key))?;
    secrets.extend(
        key.lines().filter(|line| !line.starts_with('-')).map(|line| ("the signing key", line.to_owned())),
    );
    una.with(("x-request-id", "the-request-to-look-for"), Method::GET, "/auth/me", &Value::Null)
        .await?
        .expect(200)?;
    wait_until(Duration::from_secs(10), "the request is logged", async || {
        system.output().contains("the-request-to-look-for")
    })
    .await?;
    // What follows by itself: events, imports, live figures.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let output = system.output();
    ensure!(output.contains("DEBUG") || output.contains("TRACE"), "nothing more than usual is logged");
    for (what, secret) in &secrets {
        ensure!(secret.len() >= 6, "{what} is {secret:?}");
        let line = output.lines().find(|line| line.contains(secret.as_str()));
        ensure!(line.is_none(), "{what} is logged: {line:?}");
    }
    Ok(())
}
