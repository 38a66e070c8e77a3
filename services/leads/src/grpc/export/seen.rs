//! Which leads a file has already.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use leadline_runtime::refusal::Refusal;

use crate::lead::LeadId;

/// So many ids are remembered for all exports together: 16 bytes each, and up to a quarter more.
pub(crate) const MOST: usize = 3_000_000;
/// Ids are looked for among those that end alike; their ends are drawn.
const BUCKETS: usize = 4_096;

/// Room for ids, which all exports share.
#[derive(Clone, Default)]
pub(crate) struct Room(Arc<AtomicUsize>);

/// The leads of one file.
pub(super) struct Seen {
    buckets: Vec<Vec<u128>>,
    taken: usize,
    room: Room,
}

impl Seen {
    pub(super) fn new(room: Room) -> Self {
        Self { buckets: vec![Vec::new(); BUCKETS], taken: 0, room }
    }

    /// Takes room for so many more.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if there is none.
    pub(super) fn reserve(&mut self, ids: usize) -> Result<(), Refusal> {
        let fits = |taken: usize| Some(taken + ids).filter(|taken| *taken <= MOST);
        let full = |_| {
            let told = "too many rows are being exported in such an order: try again, or sort by createdAt";
            Refusal::Unavailable(told.to_owned())
        };
        self.room.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(full)?;
        self.taken += ids;
        Ok(())
    }

    /// Remembers a lead, in room that was taken. False: it is there already.
    pub(super) fn add(&mut self, lead: LeadId) -> bool {
        let id = lead.uuid().as_u128();
        let bucket = &mut self.buckets[end(id)];
        if bucket.contains(&id) {
            return false;
        }
        if bucket.len() == bucket.capacity() {
            // Not twice as many, as a list would: that is half of it for nothing.
            bucket.reserve_exact(bucket.len() / 4 + 4);
        }
        bucket.push(id);
        true
    }

    pub(super) fn has(&self, lead: LeadId) -> bool {
        let id = lead.uuid().as_u128();
        self.buckets[end(id)].contains(&id)
    }
}

fn end(id: u128) -> usize {
    usize::try_from(id % BUCKETS as u128).unwrap_or(0)
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_added_once() {
        let mut seen = Seen::new(Room::default());
        let leads: Vec<LeadId> = (0..10_000).map(|_| LeadId::new()).collect();
        assert!(leads.iter().all(|lead| seen.add(*lead)));
        assert!(leads.iter().all(|lead| seen.has(*lead) && !seen.add(*lead)));
        assert!(!seen.has(LeadId::new()));
    }

    #[test]
    fn all_files_share_a_room_and_give_it_back() {
        let room = Room::default();
        let (mut one, mut other) = (Seen::new(room.clone()), Seen::new(room.clone()));
        one.reserve(MOST - 10).unwrap();
        assert!(matches!(other.reserve(11), Err(Refusal::Unavailable(_))));
        other.reserve(10).unwrap();
        drop(one);
        assert!(other.reserve(1_000).is_ok());
        drop(other);
        assert_eq!(room.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_remembered_is_hardly_larger_than_the_ids() {
        let mut seen = Seen::new(Room::default());
        for _ in 0..200_000 {
            seen.add(LeadId::new());
        }
        let bytes: usize = seen.buckets.iter().map(|bucket| bucket.capacity() * 16).sum();
        assert!(bytes < 200_000 * 16 * 5 / 4, "{bytes}");
    }
}
