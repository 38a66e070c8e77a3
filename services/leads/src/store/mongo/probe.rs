//! How common the conditions of a question are: counts that stop soon, the cheapest first, so that a question with one rare
//! condition costs little however common the others are.

use leadline_storage::{Mongo, mongo::Count};

use super::list::{Find, Lister};
use crate::{
    filter::Sort,
    search::Word,
    store::{
        StoreError,
        plan::{Access, FEW, PROBED, Plan, TotalBy, accesses, choose, settled},
    },
};

/// When a gram has no more rows than this, nothing rarer is looked for.
const SOON: u64 = 200;
/// The grams that are tried first.
const FIRST_GRAMS: usize = 4;
/// The server looks up one gram only: so many are probed for the rarest.
const MOST_GRAMS: usize = 8;

/// What the probes said.
pub(super) struct Probed {
    /// The sizes of the conditions that were probed, counted up to `bound`.
    sizes: Vec<(Access, u64)>,
    bound: u64,
    /// The rarest gram of those that were probed.
    pub(super) gram: Option<String>,
}

impl Probed {
    /// The rarest condition.
    pub(super) fn rarest(&self) -> Option<Access> {
        self.sizes.iter().min_by_key(|(_, size)| *size).map(|(access, _)| *access)
    }

    fn least(&self) -> u64 {
        self.sizes.iter().map(|(_, size)| *size).min().unwrap_or(0)
    }
}

/// How to find a page, and by which gram. `None`: nothing matches.
pub(super) async fn plan(
    db: &Mongo,
    lister: Lister<'_>,
    sort: Sort,
) -> Result<Option<(Plan, Option<String>)>, StoreError> {
    if let Some(plan) = settled(lister.filter, sort) {
        return Ok(Some((plan, None)));
    }
    let probed = probe(db, lister).await?;
    let least = probed.least();
    if least == 0 {
        return Ok(None);
    }
    let mut plan = choose(lister.filter, sort, &probed.sizes);
    // Counting stopped before the total was known.
    if least == probed.bound && probed.bound < PROBED && matches!(plan.total, TotalBy::Known(_)) {
        plan.total = TotalBy::Count(probed.rarest());
    }
    Ok(Some((plan, probed.gram)))
}

/// Probes a filter that says something until a condition is rare enough, or all are known to be common.
pub(super) async fn probe(db: &Mongo, lister: Lister<'_>) -> Result<Probed, StoreError> {
    let (others, grams) = (others(lister), lister.grams());
    if !grams.is_empty() {
        let first = grams.get(..FIRST_GRAMS).unwrap_or(&grams);
        let (size, gram) = rarest_gram(db, lister, first, SOON + 1).await?;
        if size <= SOON {
            return Ok(Probed { sizes: vec![(Access::Grams, size)], bound: SOON + 1, gram });
        }
    }
    let probed = probe_all(db, lister, &others, &grams, FEW + 1).await?;
    // Of one alone it is known that it leads.
    if probed.least() <= FEW || others.len() + grams.len() <= 1 {
        return Ok(probed);
    }
    probe_all(db, lister, &others, &grams, PROBED).await
}

fn others(lister: Lister<'_>) -> Vec<Access> {
    accesses(lister.filter).into_iter().filter(|access| *access != Access::Grams).collect()
}

async fn probe_all(
    db: &Mongo,
    lister: Lister<'_>,
    others: &[Access],
    grams: &[String],
    bound: u64,
) -> Result<Probed, StoreError> {
    let sizes = futures::future::try_join_all(others.iter().map(|access| async move {
        Ok::<_, StoreError>((*access, count(db, lister.probe(*access), bound).await?))
    }));
    let rarest = async {
        match grams {
            [] => Ok(None),
            grams => rarest_gram(db, lister, grams, bound).await.map(Some),
        }
    };
    let (mut sizes, rarest) = futures::try_join!(sizes, rarest)?;
    let (size, gram) = rarest.map_or((None, None), |(size, gram)| (Some(size), gram));
    sizes.extend(size.map(|size| (Access::Grams, size)));
    Ok(Probed { sizes, bound, gram })
}

/// The rarest of some grams; of those that are beyond the bound the one that looks rarest.
async fn rarest_gram(
    db: &Mongo,
    lister: Lister<'_>,
    grams: &[String],
    bound: u64,
) -> Result<(u64, Option<String>), StoreError> {
    let sizes = futures::future::try_join_all(grams.iter().map(|gram| async move {
        Ok::<_, StoreError>((count(db, lister.probe_gram(gram), bound).await?, gram))
    }));
    let rarest = sizes.await?.into_iter().min_by_key(|(size, _)| *size);
    Ok(rarest.map_or((0, None), |(size, gram)| (size, Some(gram.clone()))))
}

/// Counts what is found, up to a bound.
pub(super) async fn count(db: &Mongo, find: Find, bound: u64) -> Result<u64, StoreError> {
    let count = Count { collection: "leads", filter: find.filter, index: find.index, limit: bound };
    Ok(db.count(&count).await?)
}

impl Lister<'_> {
    /// Grams to be probed, those that look rarest first.
    pub(super) fn grams(self) -> Vec<String> {
        let mut grams: Vec<String> = self.filter.words.iter().flat_map(Word::grams).collect();
        // By the text too: two words may have a gram in common, and it is probed once.
        grams.sort_by_cached_key(|gram| (commonness(gram), gram.clone()));
        grams.dedup();
        grams.truncate(MOST_GRAMS);
        grams
    }
}

/// How common a gram looks by its characters: a guess, by which grams are tried in a good order.
fn commonness(gram: &str) -> u64 {
    let of = |c: char| match c {
        'e' => 120,
        'a' | 'n' | 'i' => 80,
        'r' | 't' | 'o' | 's' => 70,
        '0'..='9' | 'l' | 'd' | 'h' => 45,
        '@' | '.' => 60,
        'u' | 'c' | 'm' => 33,
        'p' | 'g' | 'b' | 'k' | 'f' | 'y' => 20,
        'v' | 'w' => 15,
        'j' | 'z' => 6,
        'x' | 'q' => 3,
        _ => 10,
    };
    // A shorter gram is a piece of many longer ones.
    let shorter = 3_u32.saturating_sub(u32::try_from(gram.chars().count()).unwrap_or(3));
    gram.chars().map(of).fold(1_000_u64.pow(shorter), u64::saturating_mul)
}
