//! The one vocabulary for saying no: services write it into a [`Status`], the gateway reads it out again.
//!
//! What a client reads stands in the variant; what only the log may say is written to the log where it happens.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{version::Version, violations::Violation};

/// Why a request is not carried out. Nothing was changed, but for [`Refusal::Internal`], after which nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fields that can't be accepted.
    #[error("{} fields can't be accepted", .0.len())]
    Invalid(Vec<Violation>),
    /// No token, or one that is not good (any more).
    #[error("sign in to do this: {0}")]
    Unauthenticated(String),
    /// The caller's role does not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing in the caller's workspace.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It would break a rule about things as they stand; `reason` is a stable word such as `EMAIL_TAKEN`.
    #[error("{detail}")]
    Conflict {
        /// A stable word for programs.
        reason: String,
        /// A sentence for people.
        detail: String,
    },
    /// `If-Match` named other versions.
    #[error("it was changed since you read it: read it again (version {}) and repeat the change", present.0)]
    VersionMismatch {
        /// The version that it has.
        present: Version,
    },
    /// It was there and is spent, withdrawn or out of date.
    #[error("{0}")]
    Gone(String),
    /// Too many tries.
    #[error("too many requests: wait {} seconds", retry_after.as_secs().max(1))]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// A part is down or overloaded; the same request may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// A request with the same idempotency key is being carried out.
    #[error("a request with this Idempotency-Key is still being carried out: try again")]
    InFlight,
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used with another body: use a new key")]
    KeyReused,
    /// A fault of ours. The log says more under the request's id.
    #[error("something went wrong on our side")]
    Internal,
}

const DOMAIN: &str = "leadline";
const THINGS: [&str; 9] =
    ["lead", "note", "reminder", "workspace", "member", "invitation", "session", "import", "thing"];

impl Refusal {
    /// A conflict with a stable reason.
    #[must_use]
    pub fn conflict(reason: &str, detail: impl Into<String>) -> Self {
        Self::Conflict { reason: reason.to_owned(), detail: detail.into() }
    }

    /// One field that can't be accepted.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { field: field.to_owned(), message: message.into() }])
    }

    /// What was answered for an idempotency key told of something that is erased for good since.
    #[must_use]
    pub fn answer_erased() -> Self {
        Self::Gone("what was made with this Idempotency-Key is erased for good: use a new key".to_owned())
    }

    /// A fault of ours: `what` goes to the log, and nowhere else.
    #[must_use]
    pub fn internal(what: impl std::fmt::Display) -> Self {
        tracing::error!(error = %what, "internal error");
        Self::Internal
    }

    fn code_and_reason(&self) -> (Code, &str) {
        match self {
            Self::Invalid(_) => (Code::InvalidArgument, "INVALID"),
            Self::Unauthenticated(_) => (Code::Unauthenticated, "UNAUTHENTICATED"),
            Self::Forbidden(_) => (Code::PermissionDenied, "FORBIDDEN"),
            Self::NotFound(thing) => (Code::NotFound, thing),
            Self::Conflict { reason, .. } => (Code::AlreadyExists, reason),
            Self::VersionMismatch { .. } => (Code::FailedPrecondition, "VERSION_MISMATCH"),
            Self::Gone(_) => (Code::FailedPrecondition, "GONE"),
            Self::TooMany { .. } => (Code::ResourceExhausted, "TOO_MANY"),
            Self::Unavailable(_) => (Code::Unavailable, "UNAVAILABLE"),
            Self::InFlight => (Code::Aborted, "IN_FLIGHT"),
            Self::KeyReused => (Code::InvalidArgument, "KEY_REUSED"),
            Self::Internal => (Code::Internal, "INTERNAL"),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (code, reason) = refusal.code_and_reason();
        let mut details = ErrorDetails::new();
        let mut metadata = HashMap::new();
        if let Refusal::VersionMismatch { present } = &refusal {
            metadata.insert("version".to_owned(), present.0.to_string());
        }
        details.set_error_info(reason, DOMAIN, metadata);
        let message = match &refusal {
            // Only what the variant holds travels; the sentence around it is made again on the other side.
            Refusal::Unauthenticated(why) => why.clone(),
            other => other.to_string(),
        };
        match refusal {
            Refusal::Invalid(violations) => {
                let fields: Vec<FieldViolation> =
                    violations.into_iter().map(|v| FieldViolation::new(v.field, v.message)).collect();
                details.set_bad_request(fields);
            }
            Refusal::TooMany { retry_after } => {
                details.set_retry_info(Some(retry_after));
            }
            _ => {}
        }
        Status::with_error_details(code, message, details)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let message = status.message().to_owned();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let Some(info) = info else {
            return foreign(&status);
        };
        match (status.code(), info.reason.as_str()) {
            (Code::InvalidArgument, "KEY_REUSED") => Self::KeyReused,
            (Code::InvalidArgument, _) => {
                let fields =
                    details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
                Self::Invalid(
                    fields
                        .into_iter()
                        .map(|f| Violation { field: f.field, message: f.description })
                        .collect(),
                )
            }
            (Code::Unauthenticated, _) => Self::Unauthenticated(message),
            (Code::PermissionDenied, _) => Self::Forbidden(message),
            (Code::NotFound, thing) => {
                Self::NotFound(THINGS.iter().find(|known| **known == thing).copied().unwrap_or("thing"))
            }
            (Code::AlreadyExists, reason) => Self::conflict(reason, message),
            (Code::FailedPrecondition, "VERSION_MISMATCH") => {
                let present = info.metadata.get("version").and_then(|text| text.parse().ok()).unwrap_or(0);
                Self::VersionMismatch { present: Version(present) }
            }
            (Code::FailedPrecondition, _) => Self::Gone(message),
            (Code::ResourceExhausted, _) => Self::TooMany {
                retry_after: details
                    .retry_info()
                    .and_then(|info| info.retry_delay)
                    .unwrap_or(Duration::from_secs(1)),
            },
            (Code::Unavailable, _) => Self::Unavailable(message),
            (Code::Aborted, _) => Self::InFlight,
            _ => Self::Internal,
        }
    }
}

/// A status that no service of ours made: the transport's, or a deadline's.
fn foreign(status: &Status) -> Refusal {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Aborted => {
            tracing::warn!(code = ?status.code(), error = status.message(), "a service did not answer");
            Refusal::Unavailable("a part of the system does not answer: try again".to_owned())
        }
        _ if is_transport_error(status) => {
            tracing::warn!(error = status.message(), "a service can't be reached");
            Refusal::Unavailable("a part of the system can't be reached: try again".to_owned())
        }
        _ => Refusal::internal(status),
    }
}

/// tonic gives a broken connection the code UNKNOWN or INTERNAL with the error as its source.
fn is_transport_error(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::transport::Error>() || error.is::<hyper::Error>() || error.is::<std::io::Error>()
        {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_survives_the_wire() {
        let all = [
            Refusal::Invalid(vec![
                Violation { field: "name".into(), message: "is required".into() },
                Violation { field: "tags[3]".into(), message: "is empty".into() },
            ]),
            Refusal::Unauthenticated("the token has run out".into()),
            Refusal::Forbidden("only owners may".into()),
            Refusal::NotFound("lead"),
            Refusal::conflict("EMAIL_TAKEN", "somebody has it"),
            Refusal::VersionMismatch { present: Version(7) },
            Refusal::Gone("spent".into()),
            Refusal::TooMany { retry_after: Duration::from_secs(30) },
            Refusal::Unavailable("later".into()),
            Refusal::InFlight,
            Refusal::KeyReused,
            Refusal::Internal,
        ];
        for refusal in all {
            assert_eq!(Refusal::from(Status::from(refusal.clone())), refusal);
        }
    }

    #[test]
    fn a_deadline_that_passed_is_a_part_that_is_down() {
        assert!(matches!(Refusal::from(Status::deadline_exceeded("late")), Refusal::Unavailable(_)));
    }
}
