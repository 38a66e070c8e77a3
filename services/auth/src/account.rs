//! Accounts and workspaces: what they are, who may do what with them, and the events they raise.

use leadline_runtime::{
    caller::{Origin, Role},
    ids::{UserId, WorkspaceId, new_uuid},
    time::Millis,
    version::Version,
    zone::Zone,
};
use std::time::Duration;
use uuid::Uuid;

use leadline_runtime::ids::SessionId;

/// The longest name, in code points.
const LONGEST_NAME: usize = 200;
/// The longest address, in bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const LONGEST_EMAIL: usize = 254;

/// How far ahead of a change of someone's role or membership their tokens are void.
///
/// Another process may have read the old role just before the change was committed, and sign a token for it just after. A
/// transaction lasts ten seconds at most, so what it signs bears an earlier time than this; and tokens of the new role are
/// stamped with this time at the least (see [`Standing::void_before`]).
const VOID_AHEAD: Duration = Duration::from_secs(15);

/// The name of a person or a workspace: 1 to 200 code points, trimmed, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// What is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 200 characters, without control characters")]
pub struct NotAName;

impl Name {
    /// Trims and checks.
    ///
    /// # Errors
    /// [`NotAName`] for nothing, too much, or control characters.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let text = text.trim();
        // A code point has at most four bytes: what is longer need not be counted.
        if text.is_empty() || text.len() > LONGEST_NAME * 4 || text.chars().any(char::is_control) {
            return Err(NotAName);
        }
        if text.chars().count() > LONGEST_NAME { Err(NotAName) } else { Ok(Self(text.to_owned())) }
    }

    /// From the store, where only a parsed one was put: rules may have changed since.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// What a person's own workspace is called when they don't say.
    #[must_use]
    pub fn of_workspace_of(person: &Self) -> Self {
        const SUFFIX: &str = "'s workspace";
        let cut: String = person.0.chars().take(LONGEST_NAME - SUFFIX.len()).collect();
        Self(format!("{}{SUFFIX}", cut.trim_end()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An address, kept as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// What is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an email address such as ada@example.com")]
pub struct NotAnEmail;

impl Email {
    /// Checks the syntax: a local part of 1 to 64 bytes, and a domain of at least two labels.
    ///
    /// # Errors
    /// [`NotAnEmail`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotAnEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let local_is_good = (1..=64).contains(&local.len())
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(|c| is_visible(c) && !"\"(),:;<>@[\\]".contains(c));
        // Beyond ASCII every script is welcome, with its marks.
        let domain_is_good = domain.contains('.')
            && domain.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| {
                        if c.is_ascii() { c.is_ascii_alphanumeric() || c == '-' } else { is_visible(c) }
                    })
            });
        if text.len() <= LONGEST_EMAIL && local_is_good && domain_is_good {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnEmail)
        }
    }

    /// From the store, where only a parsed one was put: rules may have changed since.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// As typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is compared by.
    #[must_use]
    pub fn key(&self) -> EmailKey {
        EmailKey::of(&self.0)
    }
}

/// Whether a character shows itself and leaves the others where they are: no control, space, joiner or change of direction.
fn is_visible(c: char) -> bool {
    let hidden = matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !hidden && !c.is_control() && !c.is_whitespace()
}

/// What addresses are compared by: two that differ in case only are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

impl EmailKey {
    /// That of any text; what is no address is simply nobody's.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Their name now.
    pub name: Name,
    /// Their address.
    pub email: Email,
    /// Since when.
    pub created_at: Millis,
}

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Which.
    pub id: WorkspaceId,
    /// Its name.
    pub name: Name,
    /// Whose civil days it lives by.
    pub zone: Zone,
    /// Since when.
    pub created_at: Millis,
    /// Raised by one with every change of name or zone.
    pub version: Version,
}

/// What someone asks to change about a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkspaceChange {
    /// A new name.
    pub name: Option<Name>,
    /// A new zone.
    pub zone: Option<Zone>,
}

impl Workspace {
    /// The workspace after a change; `None` if it changes nothing.
    #[must_use]
    pub fn changed(&self, change: &WorkspaceChange) -> Option<Self> {
        let name = change.name.clone().unwrap_or_else(|| self.name.clone());
        let zone = change.zone.unwrap_or(self.zone);
        if name == self.name && zone == self.zone {
            return None;
        }
        Some(Self { name, zone, version: self.version.next(), ..self.clone() })
    }
}

/// A member of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// As what.
    pub role: Role,
    /// Since when.
    pub joined_at: Millis,
}

/// A workspace as its member sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: Name,
    /// As what.
    pub role: Role,
}

/// Somebody who is or was a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// Their name now.
    pub name: Name,
    /// Whether they are a member now.
    pub member: bool,
}

impl Person {
    /// Whether they have erased their account: no name is left then.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.name.as_str().is_empty()
    }
}

/// Where somebody stands in a workspace: what an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub user: User,
    /// Where.
    pub workspace: Workspace,
    /// As what.
    pub role: Role,
    /// Tokens for this membership that bear an earlier time are void: a new one must not.
    pub void_before: Option<Millis>,
}

/// Why somebody may not do a thing with people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Removed since their token was issued.
    #[error("you are no longer a member of this workspace")]
    NoLongerMember,
    /// Not an owner or admin.
    #[error("only an owner or admin of the workspace may do this")]
    RoleTooLow,
    /// An admin, where it takes an owner.
    #[error("only an owner may make, change or remove an owner")]
    OwnersOnly,
}

/// Whether `actor` may give somebody this role: by inviting them, or by changing the one they have.
///
/// # Errors
/// [`Denied`] if not.
pub fn may_give(actor: Role, role: Role) -> Result<(), Denied> {
    match (actor, role) {
        (Role::Owner, _) => Ok(()),
        (Role::Admin, Role::Owner) => Err(Denied::OwnersOnly),
        (Role::Admin, _) => Ok(()),
        _ => Err(Denied::RoleTooLow),
    }
}

/// Whether `actor` may change a member's role from one to another.
///
/// # Errors
/// [`Denied`] if not.
pub fn may_change(actor: Role, from: Role, to: Role) -> Result<(), Denied> {
    may_give(actor, from).and_then(|()| may_give(actor, to))
}

/// Whether `actor` may remove a member of this role. Everybody may leave.
///
/// # Errors
/// [`Denied`] if not.
pub fn may_remove(actor: Role, target: Role, leaving: bool) -> Result<(), Denied> {
    if leaving { Ok(()) } else { may_give(actor, target) }
}

/// Whether a workspace with so many owners still has one after a member's role went from one to another (`None`: they are gone).
#[must_use]
pub fn keeps_an_owner(owners: u64, from: Role, to: Option<Role>) -> bool {
    from != Role::Owner || to == Some(Role::Owner) || owners > 1
}

/// Who does something, when, and in which request.
#[derive(Debug, Clone)]
pub struct Act {
    /// When.
    pub at: Millis,
    /// Who.
    pub actor: UserId,
    /// The request.
    pub origin: Origin,
}

impl Act {
    /// Now.
    #[must_use]
    pub fn now(actor: UserId, origin: Origin) -> Self {
        Self { at: Millis::now(), actor, origin }
    }

    /// Before when tokens are void that this act makes void.
    #[must_use]
    pub fn void_before(&self) -> Millis {
        self.at.after(VOID_AHEAD)
    }

    /// That this happened.
    #[must_use]
    pub fn did(&self, workspace: Option<WorkspaceId>, what: What) -> Happened {
        let at = match what {
            What::MemberRemoved(_) | What::RoleChanged(_) => self.void_before(),
            _ => self.at,
        };
        Happened { id: new_uuid(), workspace, at, actor: self.actor, origin: self.origin.clone(), what }
    }
}

/// Something that happened to an account or a workspace.
#[derive(Debug, Clone)]
pub struct Happened {
    /// The event's own id.
    pub id: Uuid,
    /// Where; `None` for what belongs to a user alone.
    pub workspace: Option<WorkspaceId>,
    /// When; for what makes tokens void, before when they are.
    pub at: Millis,
    /// Who did it.
    pub actor: UserId,
    /// In which request.
    pub origin: Origin,
    /// What.
    pub what: What,
}

/// What can happen to an account or a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A session is over.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
    },
    /// Somebody joined.
    MemberJoined(UserId),
    /// Somebody left or was removed.
    MemberRemoved(UserId),
    /// Somebody has another role.
    RoleChanged(UserId),
    /// Somebody has another name.
    PersonRenamed(UserId),
    /// The workspace has another name or zone.
    WorkspaceChanged,
    /// The workspace went with its last member.
    WorkspaceErased,
}

/// Tokens that are void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Void {
    /// Those of a session that ended then.
    Session(SessionId, Millis),
    /// Those of a member, for one workspace, that bear an earlier time.
    Member(UserId, WorkspaceId, Millis),
}

impl Void {
    /// Since when.
    #[must_use]
    pub fn at(self) -> Millis {
        match self {
            Self::Session(_, at) | Self::Member(_, _, at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_trimmed_and_counted_in_code_points() {
        assert_eq!(Name::parse("  Ada Lovelace ").unwrap().as_str(), "Ada Lovelace");
        assert!(Name::parse(&"😀".repeat(200)).is_ok());
        assert_eq!(Name::parse(&"😀".repeat(201)), Err(NotAName));
        for bad in ["", "   ", "a\0b", "a\nb", "a\u{7f}"] {
            assert_eq!(Name::parse(bad), Err(NotAName), "{bad:?}");
        }
        assert!(Name::parse("<b>O'Brien</b>").is_ok());
    }

    #[test]
    fn a_workspace_named_after_the_longest_name_still_has_a_name() {
        let long = Name::parse(&"ß".repeat(200)).unwrap();
        let workspace = Name::of_workspace_of(&long);
        assert_eq!(Name::parse(workspace.as_str()), Ok(workspace));
    }

    #[test]
    fn addresses_are_kept_as_typed_and_compared_without_case() {
        let email = Email::parse("Ada.Lovelace+crm@Example.COM").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace+crm@Example.COM");
        assert_eq!(email.key(), Email::parse("ada.lovelace+CRM@example.com").unwrap().key());
        assert_eq!(Email::parse("ÄNNE@müller.de").unwrap().key(), EmailKey::of("änne@MÜLLER.DE"));
    }

    #[test]
    fn addresses_of_every_script_are_accepted() {
        for good in ["संपर्क@डाटामेल.भारत", "用户@例子.广告", "o'brien+x@sub-domain.example", "a@b.c"]
        {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b.".repeat(130));
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a@b.",
            "a@.c",
            "a b@c.d",
            "a@b c.d",
            "a@b..c",
            ".a@b.c",
            "a..b@c.d",
            "a@-b.c",
            "a@b.c\n",
            " a@b.c",
            "a@b@c.d",
            "<a@b.c>",
            "a@b,c.d",
            "a\u{202e}@b.c",
            "a@b\u{200b}.c",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(bad), Err(NotAnEmail), "{bad:?}");
        }
    }

    #[test]
    fn an_admin_has_no_say_over_owners() {
        use Role::{Admin, Member, Owner, Viewer};
        assert_eq!(may_give(Admin, Owner), Err(Denied::OwnersOnly));
        assert_eq!(may_change(Admin, Owner, Viewer), Err(Denied::OwnersOnly));
        assert_eq!(may_change(Admin, Member, Owner), Err(Denied::OwnersOnly));
        assert_eq!(may_remove(Admin, Owner, false), Err(Denied::OwnersOnly));
        assert_eq!(may_change(Admin, Admin, Member), Ok(()));
        for low in [Member, Viewer] {
            for any in Role::ALL {
                assert_eq!(may_give(low, any), Err(Denied::RoleTooLow));
                assert_eq!(may_remove(low, any, false), Err(Denied::RoleTooLow));
                assert_eq!(may_remove(low, any, true), Ok(()));
            }
        }
    }

    #[test]
    fn the_last_owner_stays_one() {
        assert!(!keeps_an_owner(1, Role::Owner, None));
        assert!(!keeps_an_owner(1, Role::Owner, Some(Role::Admin)));
        assert!(keeps_an_owner(1, Role::Owner, Some(Role::Owner)));
        assert!(keeps_an_owner(2, Role::Owner, None));
        assert!(keeps_an_owner(1, Role::Member, None));
    }

    proptest! {
        #[test]
        fn whatever_is_typed_parsing_does_not_panic(text in any::<String>()) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(Name::parse(Name::of_workspace_of(&name).as_str()).is_ok());
            }
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(email.as_str(), text);
            }
        }
    }
}
