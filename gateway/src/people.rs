//! Names of people: rows and events carry ids only.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use leadline_proto::auth::{ListPeopleRequest, auth_service_client::AuthServiceClient, list_people_response};
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
    loaded: Instant,
    /// Whether they could be loaded at all.
    known: bool,
}

impl Names {
    #[cfg(test)]
    pub(crate) fn of_test<const N: usize>(names: [(&str, &str); N]) -> Self {
        let by_id = names.into_iter().map(|(id, name)| (id.to_owned(), name.to_owned())).collect();
        Self { by_id, loaded: Instant::now(), known: true }
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
        Self { by_id: HashMap::new(), loaded: Instant::now(), known: true }
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
        let none = || Names { by_id: HashMap::new(), loaded: Instant::now(), known: false };
        self.latest(caller, ids).await.unwrap_or_else(|_| Arc::new(none()))
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
            let named = |person: list_people_response::Person| {
                let name = if person.erased { "Deleted user".to_owned() } else { person.name };
                (person.id, name)
            };
            let by_id = people.into_iter().map(named).collect();
            Ok(Names { by_id, loaded: Instant::now(), known: true })
        });
        loaded.await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_nobody_has_is_a_former_member() {
        let names = Names::of_test([("a", "Ada")]);
        assert_eq!(names.person("a").name, "Ada");
        assert_eq!(names.person("b").name, "Former member");
        assert_eq!(names.optional(None), None);
        assert_eq!(names.optional(Some("")), None);
    }
}
