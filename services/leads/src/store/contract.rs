//! What every store must do, run on SQLite and on MongoDB.

mod alike;
mod bulk;
mod erase;
mod import_rows;
mod imports;
mod lists;
mod log;
mod merge;
mod writes;

use std::sync::Arc;

use leadline_proto::events::{Event, LeadEvent, event::Body};
use leadline_runtime::{
    caller::{Origin, Scope},
    ids::{UserId, WorkspaceId},
    stop::Stop,
    time::Millis,
    version::Precondition,
};
use leadline_storage::StoreUrl;
use prost::Message;

use super::{Keyed, LogQuery, Logged, Reply, Store, StoreError, Written};
use crate::{
    event,
    fields::{Company, Email, Fields, Name, NoteText, Phone, Tags},
    lead::{By, Command, Lead, LeadId, NewLead, Note, NoteId},
    stage::{Source, Status},
};

macro_rules! rules {
    ($($module:ident :: $rule:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $rule() -> anyhow::Result<()> {
                let folder = leadline_testbed::Folder::new()?;
                let url = super::StoreUrl::Sqlite(folder.join("leads.db"));
                let store = super::super::open(&url, super::event::encode, &super::Stop::new()).await?;
                super::$module::$rule(super::Team::new(store.clone())).await?;
                store.close().await;
                Ok(())
            })*
        }
        mod on_mongodb {
            $(#[tokio::test]
            async fn $rule() -> anyhow::Result<()> {
                let url = super::StoreUrl::parse(&leadline_testbed::mongo().await?.fresh_uri())?;
                let store = super::super::open(&url, super::event::encode, &super::Stop::new()).await?;
                super::$module::$rule(super::Team::new(store.clone())).await?;
                store.close().await;
                Ok(())
            })*
        }
    };
}

rules! {
    writes::a_lead_is_read_as_it_was_made,
    writes::a_lead_of_another_workspace_is_not_there,
    writes::a_write_raises_the_version_by_one_and_a_patch_of_nothing_by_none,
    writes::a_version_that_is_not_welcome_is_told_with_the_present_one,
    writes::concurrent_patches_of_different_fields_both_survive,
    writes::a_hundred_writers_leave_versions_without_gaps,
    writes::notes_are_kept_newest_first_and_counted,
    writes::a_note_is_deleted_by_its_author_or_by_who_may_delete_anybodys,
    writes::a_lead_in_the_trash_is_changed_by_nothing_but_its_return,
    writes::a_lead_comes_back_within_thirty_days_only,
    writes::an_erased_lead_leaves_nothing_but_the_entry_that_says_so,
    writes::an_erased_lead_takes_what_was_answered_of_it_along,
    writes::the_trash_is_found_when_its_time_is_over,
    writes::a_key_gives_the_first_answer_again_and_refuses_another_body,
    writes::fifty_writes_with_one_key_make_one_lead,
    writes::a_refused_write_leaves_nothing_behind,
    writes::the_highest_revision_of_a_follow_up_stays_and_raises_no_version,
    writes::keys_are_forgotten_after_their_time,
    bulk::many_leads_change_each_with_its_own_version_and_event,
    bulk::leads_that_can_not_change_are_told_with_why,
    bulk::what_no_longer_matches_is_left_alone,
    bulk::a_bulk_change_with_a_key_is_done_once,
    lists::every_list_is_what_the_meaning_of_its_filter_says,
    lists::pages_neither_repeat_nor_skip,
    lists::words_are_found_however_they_are_typed,
    lists::a_long_list_is_found_by_a_walk_as_by_its_index,
    lists::edited_and_erased_leads_are_found_by_what_they_are_now,
    lists::what_a_lead_has_reached_stays_reached,
    lists::a_lead_is_found_by_when_it_entered_a_stage_last,
    lists::a_walk_over_a_workspace_sees_every_lead_once,
    alike::leads_that_may_be_the_same_are_found_with_why,
    alike::an_edited_lead_is_alike_by_what_it_is_now,
    alike::in_a_crowd_the_nearest_names_are_compared,
    alike::the_newest_notes_of_many_leads_come_with_their_lead,
    merge::a_merge_moves_notes_and_history_and_gives_them_back,
    merge::chains_of_merges_are_taken_back_one_by_one,
    merge::what_is_not_there_is_not_merged,
    merge::a_merge_is_final_when_its_time_is_over,
    merge::an_erased_lead_takes_what_went_into_it_along,
    merge::a_merge_and_edits_at_once_lose_nothing,
    log::one_write_logs_one_entry_for_each_thing_that_it_did,
    log::the_feed_is_newest_first_and_narrowed_by_kind,
    log::a_stream_resumes_behind_what_it_has,
    log::every_entry_waits_in_the_outbox_until_it_is_published,
    log::a_parked_event_is_kept_once_for_each_consumer,
    erase::all_rows_of_an_erased_workspace_go_and_no_others,
    erase::what_comes_late_into_an_erased_workspace_goes_too,
    import_rows::an_address_with_an_accent_is_another_lead_s,
    import_rows::a_lead_is_in_its_stage_since_the_row_says_so,
    import_rows::what_has_no_room_is_counted_and_stops_nothing,
    imports::an_import_of_an_erased_workspace_stops,
    imports::an_import_is_read_as_it_was_queued,
    imports::a_key_queues_one_import,
    imports::a_workspace_has_only_so_many_imports_waiting,
    imports::an_upload_that_breaks_off_leaves_nothing,
    imports::one_import_of_a_workspace_is_carried_on_at_a_time,
    imports::a_batch_is_taken_in_once_whoever_tries,
    imports::failed_rows_are_read_by_their_bytes,
    imports::rows_find_leads_by_address_and_phone,
    imports::what_an_import_did_is_taken_back,
    imports::a_lead_that_is_taken_back_has_been_nowhere_else,
    imports::leads_are_found_by_what_an_import_did_to_them,
    imports::an_import_that_ends_its_worker_again_and_again_fails,
    imports::a_file_that_is_not_whole_is_not_taken_for_whole,
    imports::what_belongs_to_an_old_import_is_swept,
    imports::what_an_import_knew_of_people_goes_with_its_file,
    imports::a_worker_that_dies_is_followed_by_one_that_goes_on,
    log::leads_with_a_past_have_their_log_and_their_events,
}

/// A workspace, somebody in it, and the store.
#[derive(Clone)]
pub(super) struct Team {
    pub(super) store: Arc<dyn Store>,
    pub(super) scope: Scope,
    pub(super) anna: UserId,
}

impl Team {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, scope: Scope::of_own_row(WorkspaceId::new()), anna: UserId::new() }
    }

    /// Somebody else's workspace in the same store.
    pub(super) fn others(&self) -> Self {
        Self::new(self.store.clone())
    }

    pub(super) fn by(&self) -> By {
        By::now(self.anna, Origin::new())
    }

    pub(super) async fn make(&self, fields: Fields) -> anyhow::Result<Lead> {
        self.make_with(fields, None, &self.by()).await
    }

    pub(super) async fn make_with(
        &self,
        fields: Fields,
        note: Option<&str>,
        by: &By,
    ) -> anyhow::Result<Lead> {
        let note = note.map(|text| (NoteId::new(), NoteText::parse(text).unwrap()));
        let new = NewLead { id: LeadId::new(), fields, created_by: self.anna, note };
        Ok(fresh(self.store.create(self.scope, new, by.clone(), None).await?).lead)
    }

    pub(super) async fn change(&self, id: LeadId, command: Command) -> Result<Written, StoreError> {
        self.change_by(id, command, &self.by()).await
    }

    pub(super) async fn change_by(
        &self,
        id: LeadId,
        command: Command,
        by: &By,
    ) -> Result<Written, StoreError> {
        self.store.change(self.scope, id, command, Precondition::None, by.clone(), None).await.map(fresh)
    }

    pub(super) async fn lead(&self, id: LeadId) -> Result<Option<(Lead, Vec<Note>)>, StoreError> {
        self.store.lead(self.scope, id).await
    }

    /// The whole log of a lead, or of the workspace, oldest first.
    pub(super) async fn log(&self, lead: Option<LeadId>) -> anyhow::Result<Vec<LeadEvent>> {
        let query = LogQuery { lead, limit: 200, ..LogQuery::default() };
        let page = self.store.log(self.scope, query).await?.expect("the lead is there");
        Ok(page.items.iter().rev().map(lead_event).collect())
    }
}

pub(super) fn fresh<T: std::fmt::Debug>(reply: Reply<T>) -> T {
    match reply {
        Reply::Fresh(value) => value,
        Reply::Replayed(_) => panic!("replayed"),
    }
}

pub(super) fn event_of(bytes: &[u8]) -> Event {
    Event::decode(bytes).unwrap()
}

pub(super) fn lead_event(logged: &Logged) -> LeadEvent {
    match event_of(&logged.event).body {
        Some(Body::Lead(lead)) => lead,
        other => panic!("not of a lead: {other:?}"),
    }
}

pub(super) fn keyed(id: &str, fingerprint: &str) -> Keyed<Written> {
    let once = leadline_runtime::once::Once { id: id.to_owned(), fingerprint: fingerprint.to_owned() };
    Keyed { once, answer: Arc::new(|written| written.lead.id.to_string().into_bytes()) }
}

/// A lead's fields with a name only.
pub(super) fn named(name: &str) -> Fields {
    Fields {
        name: Name::parse(name).unwrap(),
        email: None,
        phone: None,
        company: None,
        source: Source::Other,
        status: Status::New,
        tags: Tags::default(),
        owner: None,
    }
}

pub(super) fn tags(texts: &[&str]) -> Tags {
    Tags::parse(texts).unwrap()
}

/// A lead's fields, all of them.
pub(super) fn full(owner: UserId) -> Fields {
    Fields {
        name: Name::parse("Zoë O'Neil <b>🦊</b>").unwrap(),
        email: Some(Email::parse("Zoe@Example.com").unwrap()),
        phone: Phone::parse("+44 20 7946 0958").unwrap(),
        company: Company::parse("Straße & Söhne").unwrap(),
        source: Source::Referral,
        status: Status::Qualified,
        tags: tags(&["VIP", "\u{202e}rtl", "b"]),
        owner: Some(owner),
    }
}

/// So many milliseconds before now.
pub(super) fn ago(milliseconds: i64) -> Millis {
    Millis(Millis::now().0 - milliseconds)
}
