//! Access tokens: what they say, how strangers check them, and every way to make one up.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey, pkcs8::DecodePrivateKey};
use hmac::{Hmac, KeyInit, Mac};
use leadline_auth::SigningKeys;
use leadline_testbed::{Folder, Process, eventually, free_port, wait_until};
use leadline_tests::{
    Client, Mode, PASSWORD, Part, System,
    grpc::{READS, SERVICES, call, channel, methods},
    in_every_mode,
    system::shared_servers,
    text,
};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tonic::Code;

in_every_mode!(
    the_published_keys_verify_a_token,
    a_token_says_who_where_as_what_and_how_long,
    a_token_without_a_signature_is_refused,
    a_token_signed_with_the_public_key_as_a_password_is_refused,
    a_token_that_brings_its_own_key_is_refused,
    a_token_of_a_key_that_is_not_the_house_s_is_refused,
    a_token_with_a_wrong_or_missing_claim_is_refused,
    a_token_whose_claims_were_changed_is_refused,
    a_refresh_token_is_no_access_token,
    a_malformed_authorization_header_is_refused,
    a_token_counts_in_the_header_only,
    the_same_is_refused_by_every_service,
    a_token_of_an_ended_session_is_refused_by_every_service,
);

/// The time within which what ends a session holds everywhere.
const MINUTE: Duration = Duration::from_secs(60);
/// Beyond, a token does not fit into the headers of a call between services.
const MOST_OF_A_TOKEN: usize = 16 * 1024;

/// A token, taken apart.
struct Token {
    header: Value,
    claims: Value,
    signed: String,
    signature: Vec<u8>,
}

fn open(token: &str) -> Result<Token> {
    let parts: Vec<&str> = token.split('.').collect();
    ensure!(parts.len() == 3, "not a JWT");
    let decode =
        |part: &str| -> Result<Value> { Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?) };
    Ok(Token {
        header: decode(parts[0])?,
        claims: decode(parts[1])?,
        signed: format!("{}.{}", parts[0], parts[1]),
        signature: URL_SAFE_NO_PAD.decode(parts[2])?,
    })
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token of this header and these claims, signed by this.
fn make(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// The key that this very system signs with: only so can a wrong claim be told from a wrong signature.
fn house_key(system: &System) -> Result<SigningKey> {
    let file = if system.mode == Mode::Distributed { "signing-key.pem" } else { "data/signing-key.pem" };
    let path: PathBuf = system.folder().join(file);
    let pem = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body)?;
    SigningKey::from_pkcs8_der(&der).map_err(|error| anyhow::anyhow!("{error}"))
}

async fn public_key(system: &System) -> Result<(String, VerifyingKey)> {
    let keys = Client::stranger(system.base()).get("//.well-known/jwks.json").await?.expect(200)?;
    let key = &keys.body["keys"][0];
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text(key, "x"))?.try_into().ok().context("not 32 bytes")?;
    Ok((text(key, "kid").to_owned(), VerifyingKey::from_bytes(&bytes)?))
}

/// How a service answers a call over gRPC that any good token is good for.
async fn over_grpc(
    system: &System,
    (part, service, method): (Part, &str, &str),
    token: &str,
) -> Result<Code> {
    let channel = channel(system, part).await?;
    let answer = call(&channel, service, method, Some(token), &[]).await?;
    Ok(answer.err().map_or(Code::Ok, |status| status.code()))
}

/// The gateway refuses it, and so does every service behind it, for itself.
async fn is_refused(system: &System, client: &Client, token: &str, what: &str) -> Result<()> {
    let answer = client.with_token(token).get("/auth/me").await?;
    let answer = answer.problem(401, "unauthenticated").with_context(|| what.to_owned())?;
    ensure!(answer.header("www-authenticate").starts_with("Bearer"), "{what}");
    client
        .with_token(token)
        .post("/leads", &json!({ "name": "Eve" }))
        .await?
        .problem(401, "unauthenticated")?;
    // Headers have a largest size: what is longer is not looked at.
    let is_read = token.len() < MOST_OF_A_TOKEN;
    for read in READS {
        let code = over_grpc(system, read, token).await?;
        let refused = if is_read { code == Code::Unauthenticated } else { code != Code::Ok };
        ensure!(refused, "{what}: {}: {code:?}", read.1);
    }
    Ok(())
}

/// The gateway takes it, and so does every service: what is refused is refused for what is forged.
async fn is_taken(system: &System, client: &Client, token: &str) -> Result<()> {
    client.with_token(token).get("/auth/me").await?.expect(200)?;
    for read in READS {
        let code = over_grpc(system, read, token).await?;
        ensure!(!matches!(code, Code::Unauthenticated | Code::PermissionDenied), "{}: {code:?}", read.1);
    }
    Ok(())
}

async fn the_published_keys_verify_a_token(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    let jwks = Client::stranger(system.base()).get("//.well-known/jwks.json").await?.expect(200)?;
    let keys = jwks.body["keys"].as_array().cloned().unwrap_or_default();
    let key =
        keys.iter().find(|key| key["kid"] == token.header["kid"]).context("its key is not published")?;
    ensure!(
        key["kty"] == "OKP" && key["crv"] == "Ed25519" && key["alg"] == "EdDSA" && key["use"] == "sig",
        "{key}"
    );
    ensure!(key.get("d").is_none(), "the private key is published");
    ensure!(token.header["alg"] == "EdDSA", "{}", token.header);
    let (_, public) = public_key(system).await?;
    public.verify_strict(token.signed.as_bytes(), &Signature::from_slice(&token.signature)?)?;
    ensure!(public == house_key(system)?.verifying_key());
    Ok(())
}

async fn a_token_says_who_where_as_what_and_how_long(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "viewer").await?;
    let now = chrono::Utc::now().timestamp();
    for (person, role) in [(&una, "owner"), (&mel, "viewer")] {
        let claims = open(person.token.as_deref().unwrap_or_default())?.claims;
        ensure!(
            claims["sub"] == person.user.as_str() && claims["wid"] == person.workspace.as_str(),
            "{claims}"
        );
        ensure!(
            claims["role"] == role && !text(&claims, "iss").is_empty() && !text(&claims, "aud").is_empty(),
            "{claims}"
        );
        let (iat, exp) =
            (claims["iat"].as_i64().unwrap_or_default(), claims["exp"].as_i64().unwrap_or_default());
        ensure!(exp - iat == 900 && (iat - now).abs() < 120, "{claims}");
        let sessions = person.get("/auth/sessions").await?.expect(200)?;
        ensure!(sessions.ids() == [text(&claims, "sid")], "{}", sessions.body);
        ensure!(uuid::Uuid::parse_str(text(&claims, "jti")).is_ok(), "{claims}");
        let mut names: Vec<&str> =
            claims.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        ensure!(names == ["aud", "exp", "iat", "iss", "jti", "role", "sid", "sub", "wid"], "{names:?}");
    }
    Ok(())
}

async fn a_token_without_a_signature_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": token.header["kid"] });
        let unsigned = format!("{}.{}", encode(&header), encode(&token.claims));
        let signature = URL_SAFE_NO_PAD.encode(&token.signature);
        is_refused(system, &una, &format!("{unsigned}."), alg).await?;
        is_refused(system, &una, &unsigned, alg).await?;
        is_refused(system, &una, &format!("{unsigned}.{signature}"), alg).await?;
    }
    is_refused(system, &una, &format!("{}.", token.signed), "cut").await?;
    is_refused(system, &una, &token.signed, "cut off").await
}

async fn a_token_signed_with_the_public_key_as_a_password_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    let (kid, public) = public_key(system).await?;
    let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
    for password in [public.as_bytes().to_vec(), x.into_bytes(), Vec::new(), b"secret".to_vec()] {
        for alg in ["HS256", "HS384", "HS512", "EdDSA", "RS256", "ES256"] {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": kid });
            let forged = make(&header, &token.claims, |signed| {
                let mut block = [0; 64];
                block[..password.len()].copy_from_slice(&password);
                let mut mac = Hmac::<Sha256>::new(&block.into());
                mac.update(signed);
                mac.finalize().into_bytes().to_vec()
            });
            is_refused(system, &una, &forged, alg).await?;
        }
    }
    Ok(())
}

async fn a_token_that_brings_its_own_key_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    let own = SigningKey::from_bytes(&[7; 32]);
    let x = URL_SAFE_NO_PAD.encode(own.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "own", "alg": "EdDSA", "use": "sig" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let lure = format!("http://{}/jwks.json", listener.local_addr()?);
    let kid = &token.header["kid"];
    for header in [
        json!({ "alg": "EdDSA", "kid": kid, "jwk": jwk }),
        json!({ "alg": "EdDSA", "kid": "own", "jwk": jwk }),
        json!({ "alg": "EdDSA", "jwk": jwk }),
        json!({ "alg": "EdDSA", "kid": "own", "jku": lure }),
        json!({ "alg": "EdDSA", "kid": kid, "jku": lure, "x5u": lure }),
        json!({ "alg": "EdDSA", "kid": lure }),
    ] {
        let forged = make(&header, &token.claims, |signed| own.sign(signed).to_vec());
        is_refused(system, &una, &forged, &header.to_string()).await?;
    }
    // Nobody has asked at the address that the token named.
    let asked = tokio::time::timeout(std::time::Duration::from_millis(200), listener.accept()).await;
    ensure!(asked.is_err(), "somebody looked for keys at {lure}");
    Ok(())
}

async fn a_token_of_a_key_that_is_not_the_house_s_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    let own = SigningKey::from_bytes(&[7; 32]);
    let house = house_key(system)?;
    let kid = text(&token.header, "kid");
    let forged = make(&token.header, &token.claims, |signed| own.sign(signed).to_vec());
    is_refused(system, &una, &forged, "another key under the house's name").await?;
    for other in [
        "",
        "x",
        "../../signing-key.pem",
        "/dev/null",
        "' OR 1=1 --",
        "k\0",
        &kid.to_lowercase().repeat(2),
        &kid.repeat(1000),
    ] {
        let header = json!({ "alg": "EdDSA", "kid": other });
        // Even with the right key: a name that is not published stands for none.
        is_refused(system, &una, &make(&header, &token.claims, |signed| house.sign(signed).to_vec()), other)
            .await?;
    }
    for header in [
        json!({ "alg": "EdDSA" }),
        json!({ "alg": "EdDSA", "kid": null }),
        json!({ "alg": "EdDSA", "kid": [kid] }),
        json!([]),
    ] {
        is_refused(
            system,
            &una,
            &make(&header, &token.claims, |signed| house.sign(signed).to_vec()),
            &header.to_string(),
        )
        .await?;
    }
    // Thus the forgeries fail for what they are, and not because this test can't sign.
    let good = make(&token.header, &token.claims, |signed| house.sign(signed).to_vec());
    is_taken(system, &una, &good).await
}

async fn a_token_with_a_wrong_or_missing_claim_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    let house = house_key(system)?;
    let sign = |claims: &Value| make(&token.header, claims, |signed| house.sign(signed).to_vec());
    is_taken(system, &una, &sign(&token.claims)).await?;
    let now = chrono::Utc::now().timestamp();
    let wrong = [
        ("iss", vec![json!("somebody"), json!(""), json!("LEADLINE"), json!(["x"])]),
        ("aud", vec![json!("somebody"), json!(""), json!(["somebody", "else"])]),
        ("exp", vec![json!(now - 30), json!(0), json!(-1), json!("never"), json!(1e300)]),
        ("sub", vec![json!(""), json!("x"), json!("../../x"), json!(5)]),
        ("wid", vec![json!(""), json!("x"), json!({ "$ne": "" })]),
        ("role", vec![json!("root"), json!(""), json!("OWNER"), json!(["owner"])]),
        ("sid", vec![json!(""), json!("x")]),
        ("jti", vec![json!(""), json!("x"), json!("00000000-0000-4000-8000-000000000000")]),
    ];
    for (name, values) in wrong {
        let mut claims = token.claims.clone();
        claims.as_object_mut().map(|claims| claims.remove(name));
        is_refused(system, &una, &sign(&claims), &format!("no {name}")).await?;
        for value in values.into_iter().chain([Value::Null]) {
            claims[name] = value.clone();
            is_refused(system, &una, &sign(&claims), &format!("{name}: {value}")).await?;
        }
    }
    // Clocks may differ by five seconds, not more.
    let mut claims = token.claims.clone();
    claims["exp"] = (now - 2).into();
    claims["iat"] = (now - 902).into();
    let answer = una.with_token(&sign(&claims)).get("/auth/me").await?;
    ensure!(answer.status == 200 || chrono::Utc::now().timestamp() > now + 2, "{}", answer.body);
    Ok(())
}

async fn a_token_whose_claims_were_changed_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let other = system.register("Otto").await?;
    let mel = una.invite("Mel", "viewer").await?;
    let token = open(mel.token.as_deref().unwrap_or_default())?;
    let signature = URL_SAFE_NO_PAD.encode(&token.signature);
    for (name, value) in [
        ("role", "owner"),
        ("wid", other.workspace.as_str()),
        ("sub", una.user.as_str()),
        ("jti", &leadline_tests::unknown_id()),
        ("extra", "x"),
    ] {
        let mut claims = token.claims.clone();
        claims[name] = value.into();
        is_refused(system, &mel, &format!("{}.{}.{signature}", encode(&token.header), encode(&claims)), name)
            .await?;
    }
    let mut flipped = token.signature.clone();
    for place in [0, 31, 32, 63] {
        flipped[place] ^= 1;
        let forged = format!("{}.{}", token.signed, URL_SAFE_NO_PAD.encode(&flipped));
        is_refused(system, &mel, &forged, "a flipped bit").await?;
        flipped[place] ^= 1;
    }
    let good = mel.token.clone().unwrap_or_default();
    for odd in [
        format!("{good}="),
        format!("{good}A"),
        format!("{good}."),
        format!("{good}.x"),
        good[1..].to_owned(),
        good.replace('.', ".."),
    ] {
        is_refused(system, &mel, &odd, "an odd form").await?;
    }
    is_taken(system, &mel, &good).await
}

async fn a_refresh_token_is_no_access_token(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let refresh = una.refresh_token.clone().unwrap_or_default();
    is_refused(system, &una, &refresh, "a refresh token").await?;
    let invited = una
        .post("/workspace/invitations", &json!({ "email": "ina@example.test", "role": "admin" }))
        .await?
        .expect(201)?;
    is_refused(system, &una, invited.text("token"), "an invitation's token").await
}

async fn a_malformed_authorization_header_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = una.token.clone().unwrap_or_default();
    let stranger = Client::stranger(system.base());
    let huge = format!("Bearer {}", "x".repeat(10_000));
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Basic dW5hOnVuYQ==",
        &token,
        &format!("Token {token}"),
        &format!("Bearer {token} x"),
        &format!("Bearer {token},{token}"),
        &huge,
    ] {
        stranger
            .with(("authorization", header), Method::GET, "/leads", &Value::Null)
            .await?
            .problem(401, "unauthenticated")?;
    }
    // The scheme's case does not matter (RFC 9110).
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let header = format!("{scheme} {token}");
        stranger.with(("authorization", &header), Method::GET, "/leads", &Value::Null).await?.expect(200)?;
    }
    Ok(())
}

async fn a_token_counts_in_the_header_only(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = una.token.clone().unwrap_or_default();
    let stranger = Client::stranger(system.base());
    stranger.get(&format!("/leads?access_token={token}")).await?.problem(401, "unauthenticated")?;
    stranger.get(&format!("/leads?token={token}")).await?.problem(401, "unauthenticated")?;
    let cookie = format!("access_token={token}; leadline_access={token}; Authorization=Bearer {token}");
    stranger
        .with(("cookie", &cookie), Method::GET, "/leads", &Value::Null)
        .await?
        .problem(401, "unauthenticated")?;
    // Nor is a session's cookie any good for anything but a refresh.
    let refresh = format!("leadline_refresh={}", una.refresh_token.clone().unwrap_or_default());
    stranger
        .with(("cookie", &refresh), Method::GET, "/leads", &Value::Null)
        .await?
        .problem(401, "unauthenticated")?;
    Ok(())
}

async fn the_same_is_refused_by_every_service(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = open(una.token.as_deref().unwrap_or_default())?;
    let header = json!({ "alg": "none", "kid": token.header["kid"] });
    let unsigned = format!("{}.{}.", encode(&header), encode(&token.claims));
    let own = SigningKey::from_bytes(&[7; 32]);
    let forged = make(&token.header, &token.claims, |signed| own.sign(signed).to_vec());
    for bad in [unsigned, forged] {
        let client = una.with_token(&bad);
        for path in [
            "/leads",
            "/activity",
            "/reminders",
            "/analytics/summary",
            "/analytics/dashboard",
            "/workspace",
            "/auth/sessions",
            "/events",
        ] {
            client.get(path).await?.problem(401, "unauthenticated")?;
        }
        // No call of any service is carried out, whoever asks it without the gateway.
        for (part, service) in SERVICES {
            let channel = channel(system, part).await?;
            for method in methods()?.into_iter().filter(|method| method.service == service) {
                if ["Register", "Login", "Refresh", "AcceptInvitation", "GetJwks"]
                    .contains(&method.name.as_str())
                {
                    continue;
                }
                let answer = call(&channel, service, &method.name, Some(&bad), &[]).await?;
                let code = answer.err().map_or(Code::Ok, |status| status.code());
                ensure!(code == Code::Unauthenticated, "{service}/{}: {code:?}", method.name);
            }
        }
    }
    Ok(())
}

async fn a_token_of_an_ended_session_is_refused_by_every_service(system: &'static System) -> Result<()> {
    for end in ["/auth/logout", "/auth/me/password"] {
        let una = system.register("Una").await?;
        // Its password is changed by another session: only the others' tokens become void.
        let other = Client::login(system.base(), &una.email).await?;
        let token = una.token.clone().unwrap_or_default();
        is_taken(system, &una, &token).await?;
        if end == "/auth/logout" {
            una.act(end).await?.expect(204)?;
        } else {
            let body = json!({ "currentPassword": PASSWORD, "newPassword": format!("{PASSWORD} and more") });
            other.post(end, &body).await?.expect(204)?;
        }
        wait_until(MINUTE, "every service refuses the token of an ended session", async || {
            is_refused(system, &una, &token, end).await.is_ok()
        })
        .await?;
        // And it stays so.
        is_refused(system, &una, &token, end).await?;
    }
    Ok(())
}

/// Auth in two replicas, each with a file of keys of its own.
struct TwoOfAuth {
    system: System,
    ports: [u16; 2],
    replicas: [Option<Process>; 2],
}

impl TwoOfAuth {
    async fn start(keys: &str) -> Result<Self> {
        let mut system = System::prepare(Mode::Distributed, Some(shared_servers().await?), &[])?;
        let ports = [free_port()?, free_port()?];
        let addresses = ports.map(|port| format!("http://127.0.0.1:{port}")).join(",");
        let mut two = {
            for part in Part::DISTRIBUTED.into_iter().filter(|part| *part != Part::Auth) {
                system.set(part, "LEADLINE_AUTH", &addresses);
                system.launch(part)?;
            }
            Self { system, ports, replicas: [None, None] }
        };
        for replica in 0..2 {
            two.restart(replica, keys).await?;
        }
        two.system.ready().await?;
        Ok(two)
    }

    /// Starts one of them again, with these keys.
    async fn restart(&mut self, replica: usize, keys: &str) -> Result<()> {
        if let Some(mut running) = self.replicas[replica].take() {
            let code = running.terminate(MINUTE).await?;
            ensure!(code == 0, "it ended with {code}:\n{}", running.output());
        }
        let file = self.system.folder().join(format!("keys-{replica}.pem"));
        std::fs::write(&file, keys)?;
        let listen = format!("127.0.0.1:{}", self.ports[replica]);
        let settings = [
            ("LEADLINE_GRPC_LISTEN", listen.as_str()),
            ("LEADLINE_SIGNING_KEYS_FILE", &file.to_string_lossy()),
        ];
        let (_, mut started) = self.system.replica(Part::Auth, &settings)?;
        started.wait_for_port(self.ports[replica], MINUTE).await?;
        self.replicas[replica] = Some(started);
        Ok(())
    }

    /// Signs in until a token is signed with another key than those of before.
    async fn signed_with_another(&self, email: &str, tokens: &[Client]) -> Result<Client> {
        let kid =
            |client: &Client| Ok(open(client.token.as_deref().unwrap_or_default())?.header["kid"].clone());
        let known: Vec<Value> = tokens.iter().map(kid).collect::<Result<_>>()?;
        eventually(MINUTE, "a replica signs with its new key", async || {
            let client = Client::login(self.system.base(), email).await?;
            ensure!(!known.contains(&kid(&client)?), "it is none of the new key");
            Ok(client)
        })
        .await
    }
}

/// Each is taken by the gateway and by a service behind it, each time.
async fn are_taken(tokens: &[Client], paths: &[&str]) -> Result<()> {
    for (nth, client) in tokens.iter().enumerate() {
        for path in paths {
            client.get(path).await?.expect(200).with_context(|| format!("token {nth}"))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_exchanged_on_two_replicas_within_seconds_leave_every_token_good() -> Result<()> {
    const OF_SERVICES: [&str; 3] = ["/leads", "/reminders?view=all", "/analytics/summary"];
    const OF_ALL: [&str; 4] = ["/auth/me", OF_SERVICES[0], OF_SERVICES[1], OF_SERVICES[2]];
    let folder = Folder::new()?;
    let key = |name: &str| -> Result<String> {
        let file = folder.join(name);
        SigningKeys::load_or_create(&file)?;
        Ok(std::fs::read_to_string(file)?)
    };
    let (first, second, third) = (key("first")?, key("second")?, key("third")?);

    let mut two = TwoOfAuth::start(&first).await?;
    let una = two.system.register("Una").await?;
    let mut tokens = vec![una.clone()];
    are_taken(&tokens, &OF_ALL).await?;
    // As it is to be done, and without any pause: behind the old one, then in front of it.
    for replica in 0..2 {
        two.restart(replica, &format!("{first}{second}")).await?;
        are_taken(&tokens, &OF_ALL).await?;
    }
    for replica in 0..2 {
        two.restart(replica, &format!("{second}{first}")).await?;
        if replica == 0 {
            tokens.push(two.signed_with_another(&una.email, &tokens).await?);
        }
        are_taken(&tokens, &OF_ALL).await?;
    }
    // The old one is taken away too soon, and a third one signs at once, of which the other replica has never heard.
    two.restart(0, &format!("{third}{second}")).await?;
    tokens.push(two.signed_with_another(&una.email, &tokens).await?);
    are_taken(&tokens, &OF_SERVICES).await?;
    two.restart(1, &second).await?;
    are_taken(&tokens, &OF_SERVICES).await
}
