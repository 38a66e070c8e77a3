//! The command `health` of every program: asks the one that runs beside it, for container health checks without other tools.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    config::{self, Program, Setting, Settings, Subcommand},
    program::{Failure, announce},
    route::Route,
    tls::Tls,
};

/// How long the answer may take.
const LIMIT: Duration = Duration::from_secs(3);

const ADDRESS: Setting = Setting::optional(
    "LEADLINE_ADDRESS",
    "Where it listens, such as 127.0.0.1:8080, if not where its settings say",
);
const CHECK: Setting =
    Setting::new("LEADLINE_CHECK", "alive", "What to ask: alive, or ready (what it depends on answers too)");

/// As `--help` describes it.
pub(super) const COMMAND: Subcommand = Subcommand {
    name: "health",
    about: "Asks the running program how it is, within three seconds: exit code 0 if it is well",
    settings: &[ADDRESS, CHECK],
};

/// Asks, and says what came of it on one line.
pub(super) async fn run(program: &Program, mut settings: Settings) -> Result<(), Failure> {
    let has = |name: &str| program.settings.iter().find(|setting| setting.name == name).copied();
    let (http, grpc) = (has("LEADLINE_LISTEN"), has("LEADLINE_GRPC_LISTEN"));
    let own = http.or(grpc).ok_or_else(|| Failure::new("this program does not listen"))?;
    let asked = if settings.text(&ADDRESS).is_some() { ADDRESS } else { own };
    let address = settings.require(&asked, config::address);
    let ready = settings.require(&CHECK, |text| match text {
        "alive" => Ok(false),
        "ready" => Ok(true),
        _ => Err("must be alive or ready"),
    });
    let tls = if http.is_none() { Tls::read(&mut settings) } else { None };
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let (Some(mut address), Some(ready)) = (address, ready) else {
        return Err(Failure::new("the settings can't be used"));
    };
    // It listens on all of this machine's addresses: this one is the nearest.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(std::net::Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let asking = async {
        if http.is_some() {
            over_http(&address.to_string(), if ready { "/readyz" } else { "/healthz" }).await
        } else {
            over_grpc(&address.to_string(), if ready { service(program.name) } else { String::new() }, tls)
                .await
        }
    };
    let answer = match tokio::time::timeout(LIMIT, asking).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err("does not answer within three seconds".to_owned()),
    };
    match answer {
        Ok(()) => {
            announce(&format!("{}: {}", program.name, if ready { "ready" } else { "alive" }));
            Ok(())
        }
        Err(why) => Err(Failure::new(format!("{address}: {why}"))),
    }
}

/// `leadline-leads` answers for `leadline.leads.v1.LeadsService`.
fn service(program: &str) -> String {
    let part = program.trim_start_matches("leadline-");
    let (first, rest) = part.split_at_checked(1).unwrap_or(("", ""));
    format!("leadline.{part}.v1.{}{rest}Service", first.to_uppercase())
}

async fn over_http(address: &str, path: &str) -> Result<(), String> {
    let refused = |error: &dyn std::fmt::Display| format!("does not answer: {error}");
    let stream = TcpStream::connect(address).await.map_err(|error| refused(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| refused(&error))?;
    tokio::spawn(connection);
    let request = http::Request::get(path).header("host", address).body(Empty::<bytes::Bytes>::new());
    let request = request.map_err(|error| refused(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| refused(&error))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("answers {}", answer.status())) }
}

async fn over_grpc(address: &str, service: String, tls: Option<Arc<Tls>>) -> Result<(), String> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let route =
        Route::to(&format!("{scheme}://{address}"), tls.as_ref()).map_err(|error| error.to_string())?;
    let answer = HealthClient::new(route).check(HealthCheckRequest { service }).await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => Ok(()),
        Ok(_) => Err("not ready".to_owned()),
        Err(status) => Err(format!("does not answer: {}", status.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::service;

    #[test]
    fn a_program_answers_for_its_service() {
        assert_eq!(service("leadline-leads"), "leadline.leads.v1.LeadsService");
    }
}
