//! How a page of leads is found, whatever the store: walk an order that an index has and drop what does not match, or
//! gather the few that an index names and sort them.

use crate::filter::{COUNTED, Filter, FollowUp, Sort, SortBy, Total};

/// So many rows may be gathered and sorted for a page. Beyond it, matches are frequent enough that a walk soon has a page full.
pub(super) const FEW: u64 = 2_000;
/// Probes stop here.
pub(super) const PROBED: u64 = COUNTED + 1;
/// A walk that has not filled its page after so many rows is given up: what it looks for may all lie at the end.
pub(super) const WALKED: usize = 2_000;

/// A condition of a filter for which there is an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The pieces of the words.
    Grams,
    Tags,
    Status,
    Reached,
    Entered,
    Import,
    Source,
    Owner,
    FollowUp,
    Inactive,
    Created,
    Updated,
    StatusChanged,
}

/// Where the rows of a page come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageBy {
    /// In order: from the index of the sort, or from that of a condition which has the same order behind it.
    Walk(Option<Access>),
    /// All that match a condition, sorted.
    Gather(Access),
}

/// Where the count comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TotalBy {
    /// The probe has said it.
    Known(Total),
    /// Of all that match this condition; without one, of the whole workspace.
    Count(Option<Access>),
}

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) page: PageBy,
    /// A walk drops rows that don't match; when it drops too many ([`WALKED`]), the rows of this condition lead instead.
    pub(super) instead: Option<Access>,
    pub(super) total: TotalBy,
}

/// The conditions of a filter that can be probed.
pub(super) fn accesses(filter: &Filter) -> Vec<Access> {
    let all = [
        (Access::Grams, !filter.words.is_empty()),
        (Access::Tags, !filter.tags.is_empty()),
        (Access::Status, !filter.statuses.is_empty()),
        (Access::Reached, filter.reached.is_some()),
        (Access::Entered, filter.entered.is_some()),
        (Access::Import, filter.import.is_some()),
        (Access::Source, !filter.sources.is_empty()),
        (Access::Owner, filter.owner.is_some()),
        (Access::FollowUp, filter.follow_up.is_some()),
        (Access::Inactive, filter.inactive_since.is_some()),
        (Access::Created, filter.created.is_bounded()),
        (Access::Updated, filter.updated.is_bounded()),
        (Access::StatusChanged, filter.status_changed.is_bounded()),
    ];
    all.into_iter().filter_map(|(access, there)| there.then_some(access)).collect()
}

/// Whether a condition is all that the filter says, so that its count is the filter's.
fn is_all(filter: &Filter, access: Access, accesses: usize) -> bool {
    accesses == 1
        && match access {
            Access::Grams => false,
            Access::Tags => filter.tags.len() == 1,
            _ => true,
        }
}

/// Whether the index of a condition has the rows in the order of the sort.
fn is_ordered(filter: &Filter, access: Access, sort: Sort) -> bool {
    sort.by == SortBy::CreatedAt
        && match access {
            Access::Tags => filter.tags.len() == 1,
            Access::Status => filter.statuses.len() == 1,
            Access::Reached => filter.furthest().count() == 1,
            Access::Source => filter.sources.len() == 1,
            Access::Owner => true,
            Access::FollowUp => filter.follow_up == Some(FollowUp::None),
            _ => false,
        }
}

/// The plan of a question that no probe could change: one without conditions, or with one that has the order of the sort
/// behind it.
pub(super) fn settled(filter: &Filter, sort: Sort) -> Option<Plan> {
    let by = match accesses(filter)[..] {
        [] => None,
        [one] if is_ordered(filter, one, sort) => Some(one),
        _ => return None,
    };
    Some(Plan { page: PageBy::Walk(by), instead: None, total: TotalBy::Count(by) })
}

/// Chooses by the sizes that were probed, each counted up to [`PROBED`].
pub(super) fn choose(filter: &Filter, sort: Sort, probed: &[(Access, u64)]) -> Plan {
    let smallest = probed.iter().copied().min_by_key(|(_, size)| *size);
    let ordered = probed
        .iter()
        .copied()
        .filter(|(access, _)| is_ordered(filter, *access, sort))
        .min_by_key(|(_, size)| *size);
    let page = match (smallest, ordered) {
        (Some((_, few)), Some((access, size))) if size <= few => PageBy::Walk(Some(access)),
        (Some((access, few)), _) if few <= FEW => PageBy::Gather(access),
        (_, Some((access, _))) => PageBy::Walk(Some(access)),
        _ => PageBy::Walk(None),
    };
    let total = match smallest {
        Some((access, size)) if is_all(filter, access, probed.len()) => TotalBy::Known(Total::of(size)),
        smallest => TotalBy::Count(smallest.map(|(access, _)| access)),
    };
    let instead = match page {
        // Of the rows of the rarest condition, none is looked at in vain.
        PageBy::Walk(by) => smallest.map(|(access, _)| access).filter(|access| by != Some(*access)),
        PageBy::Gather(_) => None,
    };
    Plan { page, instead, total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{filter::Owner, search::words, stage::Status};

    const NEWEST: Sort = Sort { by: SortBy::CreatedAt, descending: true };
    const BY_NAME: Sort = Sort { by: SortBy::Name, descending: false };

    #[test]
    fn a_list_without_conditions_walks_the_index_of_its_sort() {
        let plan = choose(&Filter::default(), BY_NAME, &[]);
        assert_eq!(plan, Plan { page: PageBy::Walk(None), instead: None, total: TotalBy::Count(None) });
    }

    #[test]
    fn few_candidates_are_gathered_and_many_are_walked_past() {
        let filter = Filter { words: words("anna"), ..Filter::default() };
        assert_eq!(accesses(&filter), [Access::Grams]);
        assert_eq!(choose(&filter, NEWEST, &[(Access::Grams, 12)]).page, PageBy::Gather(Access::Grams));
        let many = choose(&filter, NEWEST, &[(Access::Grams, PROBED)]);
        let grams = Some(Access::Grams);
        assert_eq!(many, Plan { page: PageBy::Walk(None), instead: grams, total: TotalBy::Count(grams) });
        let letter = Filter { words: words("a"), ..Filter::default() };
        assert_eq!(accesses(&letter), [Access::Grams]);
    }

    #[test]
    fn one_stage_in_the_default_order_is_walked_in_its_own_index() {
        let filter = Filter { statuses: [Status::Lost].into(), ..Filter::default() };
        let plan = choose(&filter, NEWEST, &[(Access::Status, 9_000)]);
        assert_eq!(plan.page, PageBy::Walk(Some(Access::Status)));
        assert_eq!(plan.total, TotalBy::Known(Total { value: 9_000, exact: true }));
        assert_eq!(choose(&filter, BY_NAME, &[(Access::Status, 9_000)]).page, PageBy::Walk(None));
        assert_eq!(choose(&filter, BY_NAME, &[(Access::Status, 900)]).page, PageBy::Gather(Access::Status));
    }

    #[test]
    fn the_rarest_condition_leads() {
        let filter = Filter {
            statuses: [Status::Lost].into(),
            owner: Some(Owner::Nobody),
            words: words("x y"),
            ..Filter::default()
        };
        let owner = Some(Access::Owner);
        let plan = choose(&filter, NEWEST, &[(Access::Status, 5_000), (Access::Owner, 7)]);
        assert_eq!(plan, Plan { page: PageBy::Walk(owner), instead: None, total: TotalBy::Count(owner) });
        let plan = choose(&filter, BY_NAME, &[(Access::Status, 5_000), (Access::Owner, 3_000)]);
        assert_eq!(plan, Plan { page: PageBy::Walk(None), instead: owner, total: TotalBy::Count(owner) });
    }
}
