//! What is to happen at which moment, as `FAILPOINTS` says.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Fault, Moment};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Abort,
    Error,
    Pause(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At this passing, counted from one.
    At(u64),
    /// At each passing that this divides.
    Every(u64),
}

/// One moment of the plan.
#[derive(Debug)]
struct Point {
    moment: Moment,
    whose: String,
    act: Act,
    when: When,
    passed: AtomicU64,
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let (place, what) = text.split_once('=')?;
        let (moment, whose) = place.split_once('/')?;
        let moment = Moment::ALL.into_iter().find(|known| known.name() == moment)?;
        let (act, when) = match what.split_once(['@', '%']) {
            None => (what, When::At(1)),
            Some((act, number)) => {
                let number = number.parse().ok().filter(|number| *number > 0)?;
                (act, if what.contains('%') { When::Every(number) } else { When::At(number) })
            }
        };
        let act = match act.split_once(':') {
            None if act == "abort" => Act::Abort,
            None if act == "error" => Act::Error,
            Some(("pause", time)) => Act::Pause(Duration::from_millis(time.parse().ok()?)),
            _ => return None,
        };
        Some(Self { moment, whose: whose.to_owned(), act, when, passed: AtomicU64::new(0) })
    }

    /// Counts a passing; what happens at it.
    fn pass(&self, moment: Moment, whose: &str) -> Option<Act> {
        if self.moment != moment || self.whose != whose {
            return None;
        }
        let passing = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        let now = match self.when {
            When::At(number) => passing == number,
            When::Every(number) => passing.is_multiple_of(number),
        };
        now.then_some(self.act)
    }

    /// Counts a passing and does what is planned for it; gives how long it is to pause.
    fn carry_out(&self, moment: Moment, whose: &str) -> Result<Option<Duration>, Fault> {
        let Some(act) = self.pass(moment, whose) else { return Ok(None) };
        say(&format!("failpoint {}/{whose}: {act:?}", moment.name()));
        match act {
            Act::Abort => std::process::abort(),
            Act::Error => Err(Fault(moment)),
            Act::Pause(time) => Ok(Some(time)),
        }
    }
}

fn parse(text: &str) -> Result<Vec<Point>, String> {
    let points = text.split(';').map(str::trim).filter(|point| !point.is_empty());
    points.map(|point| Point::parse(point).ok_or_else(|| point.to_owned())).collect()
}

static PLAN: LazyLock<Vec<Point>> = LazyLock::new(|| {
    parse(&std::env::var("FAILPOINTS").unwrap_or_default()).unwrap_or_else(|point| {
        say(&format!("FAILPOINTS can't be read: {point:?}"));
        std::process::exit(2)
    })
});

pub(crate) async fn follow(moment: Moment, whose: &str) -> Result<(), Fault> {
    for point in PLAN.iter() {
        if let Some(time) = point.carry_out(moment, whose)? {
            tokio::time::sleep(time).await;
        }
    }
    Ok(())
}

pub(crate) fn follow_here(moment: Moment, whose: &str) -> Result<(), Fault> {
    for point in PLAN.iter() {
        if let Some(time) = point.carry_out(moment, whose)? {
            std::thread::sleep(time);
        }
    }
    Ok(())
}

#[allow(clippy::print_stderr, reason = "the test that planned it shows what the program wrote last")]
fn say(what: &str) {
    eprintln!("{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_happens_where_and_when() {
        let plan =
            parse("published/leads=abort@3; handled/analytics=error%2;committed/leads=pause:250;").unwrap();
        let told: Vec<_> = plan.iter().map(|point| (point.moment, point.whose.as_str(), point.act)).collect();
        assert_eq!(
            told,
            [
                (Moment::Published, "leads", Act::Abort),
                (Moment::Handled, "analytics", Act::Error),
                (Moment::Committed, "leads", Act::Pause(Duration::from_millis(250))),
            ]
        );
        let acts = |point: &Point, moment, whose| -> Vec<bool> {
            (0..4).map(|_| point.pass(moment, whose).is_some()).collect()
        };
        assert_eq!(acts(&plan[0], Moment::Published, "auth"), [false; 4]);
        assert_eq!(acts(&plan[0], Moment::Handled, "leads"), [false; 4]);
        assert_eq!(acts(&plan[0], Moment::Published, "leads"), [false, false, true, false]);
        assert_eq!(acts(&plan[1], Moment::Handled, "analytics"), [false, true, false, true]);
        assert_eq!(acts(&plan[2], Moment::Committed, "leads"), [true, false, false, false]);
    }

    #[test]
    fn what_can_t_be_read_is_named() {
        assert!(parse("").unwrap().is_empty());
        for wrong in
            ["published=abort", "elsewhere/leads=abort", "published/leads=explode", "handled/x=error@0"]
        {
            assert_eq!(parse(&format!("committed/leads=abort;{wrong}")).unwrap_err(), wrong);
        }
    }
}
