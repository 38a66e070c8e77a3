//! Where the bus is.

use std::{fmt, path::PathBuf, str::FromStr};

use lapin::uri::{AMQPScheme, AMQPUri};
use leadline_runtime::{
    config::{Setting, Settings},
    settings::BUS_CA_FILE,
};

/// `memory:`, or `amqp://user:password@host:port/vhost?prefix=…` (`amqps://` over TLS). Never shows user or password.
#[derive(Clone, PartialEq, Eq)]
pub struct BusUrl(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Memory,
    Rabbit(RabbitUrl),
}

/// A broker and the names within it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RabbitUrl {
    pub(crate) uri: AMQPUri,
    /// Before the names of exchanges and queues.
    pub(crate) prefix: String,
    /// The file with the authority that the broker's certificate must be of.
    pub(crate) ca: Option<PathBuf>,
}

/// Why a bus's URL is refused, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BusUrlError(String);

impl BusUrl {
    /// Reads one. The user defaults to `guest`, the port to 5672, the vhost to `/`, the prefix to `leadline`.
    ///
    /// # Errors
    /// With what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, BusUrlError> {
        let refuse = |why: String| Err(BusUrlError(why));
        let text = text.trim();
        if text == "memory:" || text == "memory" {
            return Ok(Self(Kind::Memory));
        }
        if !text.starts_with("amqp://") && !text.starts_with("amqps://") {
            return refuse("a bus is memory: or amqp://user:password@host:port/vhost".into());
        }
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let mut prefix = "leadline".to_owned();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("prefix", value)) => value.clone_into(&mut prefix),
                _ => {
                    let name = pair.split('=').next().unwrap_or_default();
                    return refuse(format!(
                        "the bus's URL has an unknown parameter {name:?}: only prefix is known"
                    ));
                }
            }
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(fits) {
            return refuse("the prefix in the bus's URL must be 1 to 64 letters, digits, _ or -".into());
        }
        // The parser's own words name no part of the address, thus no password.
        let mut uri = AMQPUri::from_str(address).map_err(|error| {
            BusUrlError(format!(
                "the bus's URL is not valid: {error}; it is amqp://user:password@host:port/vhost"
            ))
        })?;
        if uri.authority.host.is_empty() {
            return refuse("the bus's URL names no host: it is amqp://user:password@host:port/vhost".into());
        }
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        // Finds a broker that is gone without having said so.
        uri.query.heartbeat = Some(10);
        Ok(Self(Kind::Rabbit(RabbitUrl { uri, prefix, ca: None })))
    }

    /// Reads one from the setting of this name, with `LEADLINE_BUS_CA_FILE`; faults are noted there. `memory` is `memory:`.
    pub fn read(settings: &mut Settings, setting: &Setting) -> Option<Self> {
        let mut url = settings.require(setting, Self::parse)?;
        let ca = settings.parse(&BUS_CA_FILE, |path| match std::fs::read(path) {
            Ok(_) => Ok(PathBuf::from(path)),
            Err(error) => Err(format!("can't be read: {error}")),
        });
        if let Kind::Rabbit(rabbit) = &mut url.0 {
            if rabbit.uri.scheme == AMQPScheme::AMQPS && settings.text(&BUS_CA_FILE).is_none() {
                settings.fault(BUS_CA_FILE.name, "must be set for an amqps:// address");
                return None;
            }
            rabbit.ca = ca;
        }
        Some(url)
    }

    /// Whether the bus is within this process.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.0, Kind::Memory)
    }

    pub(crate) fn rabbit(&self) -> Option<&RabbitUrl> {
        match &self.0 {
            Kind::Memory => None,
            Kind::Rabbit(rabbit) => Some(rabbit),
        }
    }
}

impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl RabbitUrl {
    /// `host:port`, for messages.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Memory => f.write_str("memory:"),
            Kind::Rabbit(RabbitUrl { uri, prefix, .. }) => {
                let vhost = uri.vhost.replace('/', "%2f");
                let (scheme, host, port) = (&uri.scheme, &uri.authority.host, uri.authority.port);
                write!(f, "{scheme}://{host}:{port}/{vhost}?prefix={prefix}")
            }
        }
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_bus_is() {
        assert!(BusUrl::parse("memory:").unwrap().is_memory());
        let url = BusUrl::parse("amqp://joe:s%40cret@broker:5673/%2f?prefix=test-1").unwrap();
        let rabbit = url.rabbit().unwrap();
        assert_eq!(rabbit.uri.authority.userinfo.password, "s@cret");
        assert_eq!((rabbit.uri.vhost.as_str(), rabbit.prefix.as_str()), ("/", "test-1"));
        assert_eq!(rabbit.address(), "broker:5673");
        let plain = BusUrl::parse("amqp://broker/").unwrap();
        let plain = plain.rabbit().unwrap();
        assert_eq!((plain.uri.vhost.as_str(), plain.prefix.as_str()), ("/", "leadline"));
        assert_eq!(plain.address(), "broker:5672");
        let secure = BusUrl::parse("amqps://broker/").unwrap();
        assert_eq!(secure.to_string(), "amqps://broker:5671/%2f?prefix=leadline");
    }

    #[test]
    fn a_url_never_shows_its_password() {
        let url = BusUrl::parse("amqp://joe:topsecret@broker/team").unwrap();
        assert_eq!(format!("{url} {url:?}"), "amqp://broker:5672/team?prefix=leadline ".repeat(2).trim_end());
        for wrong in
            ["amqp://joe:topsecret@broker:port/", "amqp://joe:topsecret@:1/", "amqps://joe:topsecret@:1/"]
        {
            let error = BusUrl::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("topsecret") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_with_what_would_be_right() {
        for (wrong, hint) in [
            ("", "memory:"),
            ("redis://x", "amqp://"),
            ("amqp://x/?prefx=a", "prefx"),
            ("amqp://x/?prefix=a.b", "prefix"),
            ("amqp://x:99999/", "not valid"),
        ] {
            let error = BusUrl::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(hint), "{wrong}: {error}");
        }
    }
}
