//! Limits by address on the calls that nobody needs to be signed in for, and whose address a request has.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::extract::FromRequestParts;
use governor::{Quota, RateLimiter, clock::Clock, clock::DefaultClock, state::keyed::DefaultKeyedStateStore};
use http::{HeaderMap, request::Parts};
use leadline_runtime::{refusal::Refusal, stop::Stop};

use crate::{gateway::Gateway, problem::Problem};

/// The most addresses that are counted apart; beyond, all others share one count, until the quiet ones are forgotten.
const MOST_ADDRESSES: usize = 100_000;
/// How often addresses that have been quiet are forgotten.
const FORGET: Duration = Duration::from_secs(10);

/// The address of the client, in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

type Counts = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock>;

/// The counts of all limited calls.
pub(crate) struct Limits {
    sign_in: Arc<Counts>,
    refresh: Arc<Counts>,
}

impl Limits {
    /// Counts that forget addresses which have been quiet.
    pub(crate) fn new(stop: &Stop) -> Self {
        let counts = |per_minute: u32| {
            let burst = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
            Arc::new(RateLimiter::keyed(Quota::per_minute(burst)))
        };
        let limits = Self { sign_in: counts(20), refresh: counts(60) };
        for counts in [limits.sign_in.clone(), limits.refresh.clone()] {
            let ended = stop.clone();
            stop.spawn(async move {
                while ended.sleep(FORGET).await {
                    counts.retain_recent();
                    counts.shrink_to_fit();
                }
            });
        }
        limits
    }
}

fn count(counts: &Counts, address: IpAddr) -> Result<(), Refusal> {
    let mut key = network_of(address);
    // Making room takes a walk over all of them: that is the clock's work, not a request's.
    if counts.len() >= MOST_ADDRESSES {
        key = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    }
    counts
        .check_key(&key)
        .map_err(|full| Refusal::TooMany { retry_after: full.wait_time_from(DefaultClock::default().now()) })
}

/// Whoever has one IPv6 address has the 2⁶⁴ of its network.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Admits a sign-in, a registration or the acceptance of an invitation: 20 a minute and address.
pub(crate) struct SignInLimit;

/// Admits a refresh: 60 a minute and address.
pub(crate) struct RefreshLimit;

fn admit(parts: &Parts, counts: Option<&Counts>) -> Result<(), Problem> {
    let (Some(counts), Some(Peer(address))) = (counts, parts.extensions.get::<Peer>()) else { return Ok(()) };
    count(counts, *address).map_err(Problem::from)
}

impl FromRequestParts<Arc<Gateway>> for SignInLimit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        admit(parts, gateway.limits.as_ref().map(|limits| &*limits.sign_in)).map(|()| Self)
    }
}

impl FromRequestParts<Arc<Gateway>> for RefreshLimit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        admit(parts, gateway.limits.as_ref().map(|limits| &*limits.refresh)).map(|()| Self)
    }
}

/// An address, or a network of them: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses `10.0.0.0/8`, `::1` and the like.
    ///
    /// # Errors
    /// A sentence for anything else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not an address or a network such as 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(refuse)?,
            None => most,
        };
        Ok(Self { address, bits })
    }

    /// Parses a list with commas between.
    ///
    /// # Errors
    /// A sentence for the first that can't be read.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }

    fn has(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Whether an address is one of a trusted proxy's.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.has(address))
}

/// The client's address: the connection's, or, behind trusted proxies, the last one of `X-Forwarded-For` that is not a
/// proxy's. What stands before that could be anybody's invention.
pub(crate) fn client_address(connection: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut address = connection.to_canonical();
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in forwarded.into_iter().rev() {
        if !is_trusted(address, trusted) {
            break;
        }
        let Ok(next) = hop.parse::<IpAddr>() else { break };
        address = next.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(connection: &str, forwarded: &'static str, trusted: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", http::HeaderValue::from_static(forwarded));
        let trusted = Network::parse_list(trusted).unwrap();
        client_address(address(connection), &headers, &trusted).to_string()
    }

    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        assert_eq!(client("198.51.100.7", "1.2.3.4", ""), "198.51.100.7");
        assert_eq!(client("10.0.0.2", "1.2.3.4", "10.0.0.0/8"), "1.2.3.4");
        assert_eq!(client("10.0.0.2", "6.6.6.6, 1.2.3.4, 10.1.1.1", "10.0.0.0/8"), "1.2.3.4");
        assert_eq!(client("10.0.0.2", "nonsense", "10.0.0.0/8"), "10.0.0.2");
        assert_eq!(client("::ffff:10.0.0.2", "1.2.3.4", "10.0.0.0/8"), "1.2.3.4");
    }

    #[test]
    fn networks_are_addresses_with_or_without_a_length() {
        let network = Network::parse("10.1.0.0/16").unwrap();
        assert!(network.has(address("10.1.255.255")) && !network.has(address("10.2.0.0")));
        assert!(Network::parse("0.0.0.0/0").unwrap().has(address("9.9.9.9")));
        assert!(Network::parse("fd00::/8").unwrap().has(address("fd12::1")));
        for bad in ["10.0.0.0/33", "proxy", "10.0.0.0/", "10.0.0.0/x"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(network_of(address("2001:db8:1:2:aaaa::1")), network_of(address("2001:db8:1:2:bbbb::2")));
        assert_ne!(network_of(address("2001:db8:1:2::1")), network_of(address("2001:db8:1:3::1")));
        assert_eq!(network_of(address("::ffff:1.2.3.4")), address("1.2.3.4"));
    }

    #[tokio::test]
    async fn tries_beyond_the_quota_are_told_when_to_come_back() {
        let limits = Limits::new(&Stop::new());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..20 {
            assert_eq!(count(&limits.sign_in, one), Ok(()));
        }
        let Err(Refusal::TooMany { retry_after }) = count(&limits.sign_in, one) else {
            panic!("not limited")
        };
        assert!(retry_after.as_secs() <= 3, "{retry_after:?}");
        assert_eq!(count(&limits.sign_in, other), Ok(()));
    }

    #[tokio::test]
    async fn a_request_does_not_walk_over_all_the_addresses_that_are_known() {
        let limits = Limits::new(&Stop::new());
        let addresses = u32::try_from(MOST_ADDRESSES).unwrap();
        for number in 0..addresses {
            assert_eq!(count(&limits.sign_in, Ipv4Addr::from_bits(number + 1).into()), Ok(()));
        }
        let began = std::time::Instant::now();
        let tries = 2_000;
        let admitted = (1..=tries)
            .filter(|number| count(&limits.sign_in, Ipv4Addr::from_bits(addresses + number).into()).is_ok())
            .count();
        // A walk takes some ten milliseconds here.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!((20..40).contains(&admitted), "all others share one count: {admitted} were admitted");
        assert!(limits.sign_in.len() <= MOST_ADDRESSES + 1);
    }
}
