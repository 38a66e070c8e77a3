//! Names of people: rows and events carry ids only.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use leadline_documents::stands_alone;
use leadline_proto::auth::{
    ListMembersRequest, ListPeopleRequest, auth_service_client::AuthServiceClient, list_people_response,
};
use leadline_runtime::{caller::Caller, ids::WorkspaceId, refusal::Refusal, route::Route};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{gateway::LARGEST_ANSWER, kept::Kept};

/// Names that are older than this are loaded once more for an id that is not among them.
const FRESH: Duration = Duration::from_secs(5);

/// Somebody, or something, by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Person {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub(crate) id: String,
    /// The name as it is now.
    pub(crate) name: String,
}

/// The names of a workspace.
#[derive(Debug)]
pub(crate) struct Names {
    by_id: HashMap<String, String>,
    /// Those whose name does not tell who they are.
    namesakes: HashSet<String>,
    loaded: Instant,
    /// Whether they could be loaded at all.
    known: bool,
}

impl Names {
    #[cfg(test)]
    pub(crate) fn of_test<const N: usize>(names: [(&str, &str); N]) -> Self {
        let by_id = names.into_iter().map(|(id, name)| (id.to_owned(), name.to_owned())).collect();
        Self { by_id, namesakes: HashSet::new(), loaded: Instant::now(), known: true }
    }

    #[cfg(test)]
    pub(crate) fn with_namesakes<const N: usize>(self, ids: [&str; N]) -> Self {
        Self { namesakes: ids.map(str::to_owned).into(), ..self }
    }

    /// Whether others have this person's name, or it could be taken for something else.
    pub(crate) fn is_namesake(&self, id: &str) -> bool {
        self.namesakes.contains(id)
    }

    /// The person with this id.
    pub(crate) fn person(&self, id: &str) -> Person {
        let name = match self.by_id.get(id) {
            Some(name) => name,
            // What the clock did: nobody's id.
            None if id.is_empty() => "Leadline",
            None if self.known => "Former member",
            None => "Unknown",
        };
        Person { id: id.to_owned(), name: name.to_owned() }
    }

    /// Of nobody.
    pub(crate) fn none() -> Self {
        Self { by_id: HashMap::new(), namesakes: HashSet::new(), loaded: Instant::now(), known: true }
    }

    /// Whether all of these have a name here.
    pub(crate) fn know<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> bool {
        ids.into_iter().all(|id| id.is_empty() || self.by_id.contains_key(id))
    }

    /// Whether somebody of these may be newer than the names.
    fn are_old_for(&self, ids: &[&str]) -> bool {
        self.loaded.elapsed() > FRESH && !self.know(ids.iter().copied())
    }

    /// The person with this id, if there is one.
    pub(crate) fn optional(&self, id: Option<&str>) -> Option<Person> {
        id.filter(|id| !id.is_empty()).map(|id| self.person(id))
    }
}

/// The names of all workspaces that were asked for lately.
pub(crate) struct People {
    kept: Kept<Names>,
    auth: AuthServiceClient<Route>,
}

impl People {
    pub(crate) fn new(auth: Route) -> Self {
        let auth = AuthServiceClient::new(auth).max_decoding_message_size(LARGEST_ANSWER);
        Self { kept: Kept::default(), auth }
    }

    /// The names of the caller's workspace; `ids` are those that will be asked for. An id that is not among the names known
    /// may be a new member's: they are loaded once more. While the auth service is down the old names serve, or none.
    pub(crate) async fn names(&self, caller: &Caller, ids: &[&str]) -> Arc<Names> {
        // A list without names is better than none.
        self.latest(caller, ids).await.unwrap_or_else(|_| Arc::new(Names { known: false, ..Names::none() }))
    }

    /// As [`People::names`], for what is kept when auth is back: a file. An id without a name is nobody's any more.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if a name can't be had now.
    pub(crate) async fn whole_names(&self, caller: &Caller, ids: &[&str]) -> Result<Arc<Names>, Refusal> {
        let names = self.latest(caller, ids).await?;
        // They were asked for anew, and the old ones are all there is.
        if names.are_old_for(ids) {
            return Err(Refusal::Unavailable("names can't be had at present: try again".to_owned()));
        }
        Ok(names)
    }

    async fn latest(&self, caller: &Caller, ids: &[&str]) -> Result<Arc<Names>, Refusal> {
        let names = self.load(caller).await?;
        if names.are_old_for(ids) {
            self.kept.renew(caller.workspace);
            return self.load(caller).await;
        }
        Ok(names)
    }

    async fn load(&self, caller: &Caller) -> Result<Arc<Names>, Refusal> {
        let loaded = self.kept.get(caller.workspace, async || {
            let answer = self.auth.clone().list_people(caller.request(ListPeopleRequest {})).await;
            let people = answer.map_err(Refusal::from)?.into_inner().people;
            let namesakes = namesakes(&people);
            let named = |person: list_people_response::Person| {
                let name = if person.erased { "Deleted user".to_owned() } else { person.name };
                (person.id, name)
            };
            let by_id = people.into_iter().map(named).collect();
            Ok(Names { by_id, namesakes, loaded: Instant::now(), known: true })
        });
        loaded.await
    }

    /// The addresses of the members of the caller's workspace, by id.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if they can't be had now.
    pub(crate) async fn addresses(&self, caller: &Caller) -> Result<HashMap<String, String>, Refusal> {
        let (mut addresses, mut cursor) = (HashMap::new(), String::new());
        loop {
            let page = caller.request(ListMembersRequest { limit: 200, cursor });
            let page = self.auth.clone().list_members(page).await.map_err(Refusal::from)?.into_inner();
            let users = page.members.into_iter().filter_map(|member| member.user);
            addresses.extend(users.map(|user| (user.id, user.email)));
            cursor = page.next_cursor;
            if cursor.is_empty() {
                return Ok(addresses);
            }
        }
    }

    /// Says that somebody of this workspace joined, left or has another name.
    pub(crate) fn renew(&self, workspace: WorkspaceId) {
        self.kept.renew(workspace);
    }

    /// Says that events may have been missed.
    pub(crate) fn renew_all(&self) {
        self.kept.renew_all();
    }
}

/// The ids of those whose name does not tell who they are. A name that one member has is theirs, whatever former members are
/// called.
fn namesakes(people: &[list_people_response::Person]) -> HashSet<String> {
    let named = || people.iter().filter(|person| !person.erased);
    let mut counts: HashMap<&str, (u32, u32)> = HashMap::new();
    for person in named() {
        let (members, all) = counts.entry(person.name.trim()).or_default();
        *members += u32::from(person.member);
        *all += 1;
    }
    let is_namesake = |person: &&list_people_response::Person| {
        let (members, all) = counts.get(person.name.trim()).copied().unwrap_or_default();
        !stands_alone(&person.name) || if person.member { members > 1 } else { all > 1 }
    };
    named().filter(is_namesake).map(|person| person.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_shares_a_name_or_has_one_like_an_address_is_not_told_by_it() {
        let person = |id: &str, name: &str, member| list_people_response::Person {
            id: id.to_owned(),
            name: name.to_owned(),
            member,
            erased: name.is_empty(),
        };
        let people = [
            person("a", "Una", true),
            person("b", "Una ", true),
            person("c", "Ben", true),
            person("d", "Ben", false),
            person("e", "Cid", false),
            person("f", "ben@x.test", true),
            person("g", "Former member", true),
            person("h", "", false),
        ];
        assert_eq!(namesakes(&people), ["a", "b", "d", "f", "g"].map(str::to_owned).into());
    }

    #[test]
    fn an_id_that_nobody_has_is_a_former_member() {
        let names = Names::of_test([("a", "Ada")]);
        assert_eq!(names.person("a").name, "Ada");
        assert_eq!(names.person("b").name, "Former member");
        assert_eq!(names.optional(None), None);
        assert_eq!(names.optional(Some("")), None);
    }
}
