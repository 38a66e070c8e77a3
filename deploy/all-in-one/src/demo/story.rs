//! Two years in the life of a small sales team, made up from a seed: the same seed and day give the same story.
//!
//! Pure: it knows no store and no service. Leads arrive with seasons, weekdays and a growing business; sources differ in how
//! many they bring and how many of those are won; people work on weekdays between nine and half past five.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use leadline_runtime::{time::Millis, zone::Zone};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::words;

/// How far back it goes.
const DAYS: u64 = 730;
/// The first of the team, who signs in, has at least so many reminders overdue, and as many for today.
const DUE: usize = 3;

/// A stage, in pipeline order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Contacted,
    Qualified,
    Converted,
    Lost,
}

/// Where a lead came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Website,
    Referral,
    Ad,
    Other,
}

/// A lead and all that happened to it, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub source: Source,
    pub tags: Vec<&'static str>,
    /// Which of the team has it; `None`: nobody yet.
    pub owner: Option<usize>,
    /// Which of the team put it in.
    pub author: usize,
    pub created_at: Millis,
    pub moves: Vec<Move>,
    pub notes: Vec<Note>,
    pub reminders: Vec<Promise>,
}

/// A move to another stage.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub at: Millis,
    pub by: usize,
    pub to: Stage,
    pub reason: Option<&'static str>,
}

/// A note.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub at: Millis,
    pub by: usize,
    pub text: String,
}

/// A reminder.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    pub made_at: Millis,
    pub by: usize,
    pub due_at: Millis,
    pub message: &'static str,
    pub done_at: Option<Millis>,
}

/// How a source behaves.
struct Habit {
    source: Source,
    /// Of a hundred leads, so many come from it.
    share: u32,
    /// The chance that one is won.
    won: f64,
    /// The chance that one comes at any hour, not only while the office is open.
    any_hour: f64,
}

const HABITS: [Habit; 4] = [
    Habit { source: Source::Website, share: 44, won: 0.21, any_hour: 0.6 },
    Habit { source: Source::Ad, share: 27, won: 0.12, any_hour: 0.7 },
    Habit { source: Source::Referral, share: 19, won: 0.36, any_hour: 0.1 },
    Habit { source: Source::Other, share: 10, won: 0.16, any_hour: 0.1 },
];

/// Tells the stories of about `leads` leads up to `now`, oldest first. `team`: how many people work on them.
pub(super) fn tell(seed: u64, leads: usize, team: usize, zone: Zone, now: Millis) -> Vec<Story> {
    let mut author = Author { random: StdRng::seed_from_u64(seed), zone, now, team };
    let today = zone.date(now);
    let days: Vec<NaiveDate> =
        (0..=DAYS).rev().filter_map(|back| today.checked_sub_days(Days::new(back))).collect();
    let weights: Vec<f64> = days.iter().enumerate().map(|(index, day)| busyness(index, *day)).collect();
    let sum: f64 = weights.iter().sum();
    let mut stories = Vec::with_capacity(leads + leads / 10);
    for (day, weight) in days.iter().zip(weights) {
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        let expected = leads as f64 * weight / sum;
        for _ in 0..author.poisson(expected) {
            stories.extend(author.lead(*day));
        }
    }
    stories.sort_by_key(|story| story.created_at);
    author.fill_the_day(&mut stories);
    stories
}

/// How busy a day is: growth over the two years, seasons, weekdays.
fn busyness(index: usize, day: NaiveDate) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "at most 730")]
    let growth = 0.65 + 0.7 * index as f64 / DAYS as f64;
    let season = [0.9, 0.98, 1.12, 1.08, 1.04, 0.94, 0.74, 0.7, 1.14, 1.2, 1.18, 0.78][day.month0() as usize];
    let weekday = match day.weekday() {
        Weekday::Mon => 1.12,
        Weekday::Tue => 1.2,
        Weekday::Wed => 1.15,
        Weekday::Thu => 1.18,
        Weekday::Fri => 0.95,
        Weekday::Sat => 0.34,
        Weekday::Sun => 0.3,
    };
    // Between the years nobody asks for anything.
    let holidays = if day.month() == 12 && day.day() >= 23 { 0.35 } else { 1.0 };
    growth * season * weekday * holidays
}

struct Author {
    random: StdRng,
    zone: Zone,
    now: Millis,
    team: usize,
}

impl Author {
    fn lead(&mut self, day: NaiveDate) -> Option<Story> {
        let habit = self.habit();
        let office = !is_weekend(day) && !self.random.random_bool(habit.any_hour);
        let minute =
            if office { self.random.random_range(9 * 60..17 * 60 + 30) } else { self.waking_minute() };
        let second = self.random.random_range(0..60);
        let created_at = self.at(day, minute, second);
        if created_at > self.now {
            return None;
        }
        let person = words::person(&mut self.random);
        let business = self.random.random_bool(0.86);
        let company = business.then(|| words::company(&mut self.random));
        let email = self
            .random
            .random_bool(0.93)
            .then(|| words::email(&person, company.as_deref(), &mut self.random));
        let phone =
            (email.is_none() || self.random.random_bool(0.72)).then(|| words::phone(&mut self.random));
        let author = self.random.random_range(0..self.team);
        let mut story = Story {
            name: person.full,
            email,
            phone,
            company,
            source: habit.source,
            tags: words::tags(&mut self.random),
            owner: None,
            author,
            created_at,
            moves: Vec::new(),
            notes: Vec::new(),
            reminders: Vec::new(),
        };
        self.work(&mut story, habit.won);
        Some(story)
    }

    /// Follows the lead through the pipeline, until it is won, lost, or now.
    fn work(&mut self, story: &mut Story, won: f64) {
        let owner = self.random.random_range(0..self.team);
        let wins = self.random.random_bool(won);
        // Most are answered within a day; those that are lost are often lost because it took long.
        let patience = if wins { 14.0 } else { 34.0 };
        let Some(mut at) = self.working(story.created_at, patience) else {
            self.first_promise(story, owner);
            return;
        };
        story.owner = Some(owner);
        if !wins && self.random.random_bool(0.22) {
            self.lose(story, owner, at);
            return;
        }
        story.moves.push(Move { at, by: owner, to: Stage::Contacted, reason: None });
        self.note(story, owner, at, words::CONTACTED);
        if !wins && self.random.random_bool(0.55) {
            if let Some(end) = self.working(at, 260.0) {
                self.lose(story, owner, end);
            } else {
                self.promise(story, owner, at);
            }
            return;
        }
        let Some(next) = self.working(at, 150.0) else {
            self.promise(story, owner, at);
            return;
        };
        self.kept_promise(story, owner, at, next);
        at = next;
        story.moves.push(Move { at, by: owner, to: Stage::Qualified, reason: None });
        self.note(story, owner, at, words::QUALIFIED);
        let weeks = if wins { 330.0 } else { 480.0 };
        let Some(end) = self.working(at, weeks) else {
            self.promise(story, owner, at);
            return;
        };
        self.kept_promise(story, owner, at, end);
        if wins {
            story.moves.push(Move { at: end, by: owner, to: Stage::Converted, reason: None });
            self.note(story, owner, end, words::CONVERTED);
        } else {
            self.lose(story, owner, end);
        }
    }

    fn lose(&mut self, story: &mut Story, by: usize, at: Millis) {
        let reason = Some(words::pick(&mut self.random, words::REASONS));
        story.moves.push(Move { at, by, to: Stage::Lost, reason });
    }

    fn note(&mut self, story: &mut Story, by: usize, at: Millis, texts: &[&'static str]) {
        if self.random.random_bool(0.6) {
            let text = words::fill(words::pick(&mut self.random, texts), story.company.as_deref());
            story.notes.push(Note { at: Millis(at.0 + 60_000), by, text });
        }
    }

    /// A lead that nobody has answered yet: a reminder for some of them.
    fn first_promise(&mut self, story: &mut Story, by: usize) {
        if self.random.random_bool(0.5) {
            story.owner = Some(by);
            self.promise(story, by, story.created_at);
        }
    }

    /// A reminder that is still open: most lie ahead, some are overdue, some are for today.
    fn promise(&mut self, story: &mut Story, by: usize, made_at: Millis) {
        if self.random.random_bool(0.3) {
            return;
        }
        let days: i64 = match self.random.random_range(0..10) {
            0 => -self.random.random_range(1..5),
            1 => 0,
            _ => self.random.random_range(1..15),
        };
        let day = leadline_runtime::zone::add_days(self.zone.date(self.now), days);
        let minute = self.random.random_range(9 * 4..17 * 4) * 15;
        let due_at = self.at(skip_weekend(day), minute, 0);
        let message = words::pick(&mut self.random, words::PROMISES);
        story.reminders.push(Promise { made_at, by, due_at, message, done_at: None });
    }

    /// Whoever signs in finds work to do, whatever was drawn: of what lies ahead, theirs first, some becomes overdue and some is
    /// for today.
    fn fill_the_day(&mut self, stories: &mut [Story]) {
        let (zone, now) = (self.zone, self.now);
        let today = zone.date(now);
        let mut before = leadline_runtime::zone::add_days(today, -1);
        while is_weekend(before) {
            before = leadline_runtime::zone::add_days(before, -1);
        }
        for day in [before, today] {
            let on_day = |promise: &Promise| match day == today {
                true => zone.date(promise.due_at) == today,
                false => zone.date(promise.due_at) < today,
            };
            let open =
                || stories.iter().flat_map(|story| &story.reminders).filter(|one| one.done_at.is_none());
            let mut lacking = DUE.saturating_sub(open().filter(|one| one.by == 0 && on_day(one)).count());
            for theirs in [true, false] {
                for story in stories.iter_mut().rev() {
                    for promise in &mut story.reminders {
                        let ahead = promise.done_at.is_none() && zone.date(promise.due_at) > today;
                        let minute = self.random.random_range(9 * 4..17 * 4) * 15;
                        let due_at = self.at(day, minute, 0);
                        if lacking == 0 || !ahead || (promise.by == 0) != theirs || due_at <= story.created_at
                        {
                            continue;
                        }
                        promise.made_at = promise.made_at.min(due_at);
                        (promise.due_at, promise.by, story.owner) = (due_at, 0, Some(0));
                        lacking -= 1;
                    }
                }
            }
            // Between the years little lies ahead: what nobody has promised anything for yet.
            let is_open = |story: &Story| {
                story.moves.last().is_none_or(|last| !matches!(last.to, Stage::Converted | Stage::Lost))
                    && story.reminders.iter().all(|promise| promise.done_at.is_some())
            };
            for story in stories.iter_mut().rev().filter(|story| is_open(story)) {
                let minute = self.random.random_range(9 * 4..17 * 4) * 15;
                let due_at = self.at(day, minute, 0);
                if lacking == 0 || due_at <= story.created_at {
                    continue;
                }
                let message = words::pick(&mut self.random, words::PROMISES);
                story.owner = Some(0);
                let made_at = story.created_at;
                story.reminders.push(Promise { made_at, by: 0, due_at, message, done_at: None });
                lacking -= 1;
            }
        }
    }

    /// A reminder that was done between two moves.
    fn kept_promise(&mut self, story: &mut Story, by: usize, made_at: Millis, done_at: Millis) {
        if self.random.random_bool(0.35) {
            // On the minute, as people set them.
            let due_at = Millis((made_at.0 + (done_at.0 - made_at.0) * 3 / 4) / 60_000 * 60_000);
            let message = words::pick(&mut self.random, words::PROMISES);
            story.reminders.push(Promise { made_at, by, due_at, message, done_at: Some(done_at) });
        }
    }

    /// The time at which somebody gets to it, after a median of so many hours, moved into working hours; `None`: not yet.
    fn working(&mut self, from: Millis, median: f64) -> Option<Millis> {
        let hours = hours(&mut self.random, median);
        #[allow(clippy::cast_possible_truncation, reason = "hours of a year in milliseconds")]
        let raw = Millis(from.0 + (hours * 3_600_000.0) as i64);
        let local = self.zone.local(raw).naive_local();
        let open = NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default();
        let close = NaiveTime::from_hms_opt(17, 30, 0).unwrap_or_default();
        let mut day = local.date();
        let mut time = local.time();
        if time < open || time > close {
            if time > close {
                day = leadline_runtime::zone::add_days(day, 1);
            }
            time = open + TimeDelta::minutes(self.random.random_range(0..140));
        }
        day = skip_weekend(day);
        let at = self.zone.instant(NaiveDateTime::new(day, time));
        (at <= self.now && at > from).then_some(at)
    }

    fn at(&self, day: NaiveDate, minute: u32, second: u32) -> Millis {
        let time = NaiveTime::from_num_seconds_from_midnight_opt((minute % 1440) * 60 + second, 0)
            .unwrap_or_default();
        self.zone.instant(day.and_time(time))
    }

    /// A minute of the day at which people look at websites: hardly any before seven.
    fn waking_minute(&mut self) -> u32 {
        let evening = self.random.random_range(0..1440);
        if evening < 7 * 60 && self.random.random_bool(0.85) { evening + 12 * 60 } else { evening }
    }

    fn habit(&mut self) -> &'static Habit {
        let mut ticket = self.random.random_range(0..100);
        for habit in &HABITS {
            if ticket < habit.share {
                return habit;
            }
            ticket -= habit.share;
        }
        &HABITS[0]
    }

    /// Knuth's way to a Poisson number; expectations here are small.
    fn poisson(&mut self, expected: f64) -> usize {
        let (limit, mut product, mut count) = ((-expected).exp(), self.random.random::<f64>(), 0);
        while product > limit {
            product *= self.random.random::<f64>();
            count += 1;
        }
        count
    }
}

/// Hours with this median and a long tail: the exponent of a sum of twelve numbers is close to log-normal.
fn hours(random: &mut StdRng, median: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    median * (sum * 0.9).exp()
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn skip_weekend(day: NaiveDate) -> NaiveDate {
    match day.weekday() {
        Weekday::Sat => leadline_runtime::zone::add_days(day, 2),
        Weekday::Sun => leadline_runtime::zone::add_days(day, 1),
        _ => day,
    }
}

/// A seed for today, so that a second filling of another workspace on another day tells another story.
pub(super) fn seed_of(at: Millis) -> u64 {
    at.to_utc().num_days_from_ce().unsigned_abs().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_426_200_000);

    fn stories() -> Vec<Story> {
        tell(7, 4000, 5, Zone::parse("Europe/Berlin").unwrap(), NOW)
    }

    fn ended(story: &Story, stage: Stage) -> bool {
        story.moves.last().is_some_and(|last| last.to == stage)
    }

    #[test]
    fn nothing_in_a_story_happens_before_its_beginning_or_in_the_future() {
        for story in stories() {
            let mut last = story.created_at;
            for step in &story.moves {
                assert!(step.at > last && step.at <= NOW, "{story:?}");
                last = step.at;
            }
            assert!(story.notes.iter().all(|note| note.at > story.created_at && note.at.0 <= NOW.0 + 60_000));
            assert!(story.reminders.iter().all(|promise| promise.made_at >= story.created_at));
        }
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let text = |stories: Vec<Story>| format!("{stories:?}");
        assert_eq!(text(stories()), text(stories()));
    }

    #[test]
    fn referrals_are_won_more_often_than_ads_and_about_a_fifth_of_all() {
        let stories = stories();
        assert!((3600..4400).contains(&stories.len()), "{}", stories.len());
        let rate = |source: Option<Source>| {
            let of: Vec<_> =
                stories.iter().filter(|story| source.is_none_or(|s| story.source == s)).collect();
            of.iter().filter(|story| ended(story, Stage::Converted)).count() * 100 / of.len()
        };
        assert!(rate(Some(Source::Referral)) > rate(Some(Source::Ad)) + 10);
        assert!((14..28).contains(&rate(None)), "{}", rate(None));
    }

    #[test]
    fn moves_are_made_on_weekdays_in_working_hours() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        for step in stories().iter().flat_map(|story| &story.moves) {
            let local = zone.local(step.at);
            assert!(!is_weekend(local.date_naive()), "{local}");
            let minute = chrono::Timelike::num_seconds_from_midnight(&local) / 60;
            assert!((9 * 60..=17 * 60 + 30).contains(&minute), "{local}");
        }
    }

    #[test]
    fn whoever_signs_in_has_something_overdue_and_something_for_today_on_any_day() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        for day in 0..60 {
            let now = Millis(NOW.0 + day * 86_400_000);
            let stories = tell(seed_of(now), 400, 5, zone, now);
            let due = |is: &dyn Fn(Millis) -> bool| {
                let all = stories.iter().flat_map(|story| &story.reminders);
                all.filter(|one| one.by == 0 && one.done_at.is_none() && is(one.due_at)).count()
            };
            assert!(due(&|at| zone.date(at) < zone.date(now)) >= DUE, "day {day}");
            assert!(due(&|at| zone.date(at) == zone.date(now)) >= DUE, "day {day}");
        }
    }

    #[test]
    fn some_reminders_are_overdue_some_are_for_today_and_some_lie_ahead() {
        let stories = stories();
        let open: Vec<_> = stories
            .iter()
            .flat_map(|story| &story.reminders)
            .filter(|promise| promise.done_at.is_none())
            .collect();
        assert!(open.iter().filter(|promise| promise.due_at < NOW).count() >= 3);
        assert!(open.iter().filter(|promise| promise.due_at > NOW).count() >= 10);
    }
}
