//! Everything that is wrong with a request, found before any of it is refused.

use leadline_proto::types::FieldViolation;

/// Said of a request as a whole, beside its fields: there is more wrong with it than is told.
pub const MORE: &str = "has more that can't be accepted than is told here";

/// One field that can't be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field as the REST contract names it.
    pub field: String,
    /// One sentence for the person who sent it.
    pub message: String,
}

/// Collects violations, one a field: the first that was found wins.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Starts with what the edge has already found.
    #[must_use]
    pub fn from_edge(faults: Vec<FieldViolation>) -> Self {
        let mut violations = Self::default();
        for fault in faults {
            violations.add(fault.field, fault.message);
        }
        violations
    }

    /// Notes one, unless the field has one already.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let field = field.into();
        if !self.has(&field) {
            self.0.push(Violation { field, message: message.into() });
        }
    }

    /// Whether the field has one.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|violation| violation.field == field)
    }

    /// Takes the value out of a parse, or notes what is wrong with it.
    pub fn take<T, E: std::fmt::Display>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the collecting.
    ///
    /// # Errors
    /// [`Refusal::Invalid`](crate::refusal::Refusal::Invalid) with all of them, if there is any.
    pub fn check(self) -> Result<(), crate::refusal::Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(crate::refusal::Refusal::Invalid(self.0)) }
    }

    /// All of them.
    #[must_use]
    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_once_with_what_was_found_first() {
        let edge = FieldViolation { field: "name".into(), message: "must be text".into() };
        let mut violations = Violations::from_edge(vec![edge]);
        violations.add("name", "is required");
        violations.add("email", "is not an address");
        let found = violations.into_vec();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].message, "must be text");
    }
}
